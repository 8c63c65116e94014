// The page's own code: shows the shop three times a second, posts what is clicked, and writes to a counter.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return -- plain JavaScript, as browsers run it */

const element = (id) => document.getElementById(id);
const euros = (cents) => `€ ${(cents / 100).toFixed(2)}`;
const grouped = (number) => number.toLocaleString("en");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Changes an element only if it differs, so that a button is not replaced while it is pressed. */
function put(id, html) {
  if (element(id).dataset.shown === html) return;
  element(id).dataset.shown = html;
  element(id).innerHTML = html;
}

/** One line below everything. As text: a message may hold what somebody typed. */
function say(text) {
  element("note").textContent = text;
}

// This tab's counter, and how many of its writes were acknowledged. Both survive a reload.
const counter = (sessionStorage.counter ??= `page-${crypto.randomUUID()}`);
let acknowledged = Number(sessionStorage.acknowledged ?? 0);
/** The process that answered last. */
let lastPid = null;
/** Set while the page writes. */
let writing = null;

/** One write after the other. A write that got no answer is repeated, under the same key, until it gets one. */
async function write(signal) {
  while (!signal.aborted) {
    const headers = { "idempotency-key": crypto.randomUUID() };
    while ((await send("/count", { counter }, headers))?.ok !== true) await sleep(100);
    acknowledged += 1;
    sessionStorage.acknowledged = acknowledged;
  }
}

/** The response, or null if the server is gone. */
async function send(path, body, headers) {
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    showGone();
    return null;
  }
}

/** Shows the shop, and compares what is in it with what had been acknowledged before it was asked. */
async function refresh() {
  const before = acknowledged;
  const response = await fetch(`/shop?counter=${counter}`);
  show(await response.json(), before);
}

function show({ pid, uptimeMs, stock, cart, limit, count }, acknowledgedBefore) {
  put("status", `<span class="good">●</span> process ${pid}, up ${Math.floor(uptimeMs / 1000)} s`);
  if (lastPid !== null && lastPid !== pid)
    say(`Process ${lastPid} is dead; process ${pid} goes on with the same data.`);
  lastPid = pid;
  showFigures(acknowledgedBefore, count, Math.max(0, acknowledgedBefore - count));
  put("limit", "<i class='full'></i>".repeat(limit.left) + "<i></i>".repeat(limit.of - limit.left));
  put("stock", stock.map((product) => stockRow(product, cart.lines[product.id] ?? 0)).join(""));
  const nameOf = (id) => stock.find((product) => product.id === id).name;
  const rows = Object.entries(cart.lines).map(([id, quantity]) => cartRow(id, nameOf(id), quantity));
  put("cart", rows.join("") || "<tr><td class='soft'>Nothing in it yet.</td><td></td></tr>");
  put("total", rows.length > 0 ? euros(cart.totalCents) : "");
  element("checkout").disabled = rows.length === 0;
  put("receipt", cart.receipt === null ? "" : receiptText(cart.receipt, nameOf));
}

function showGone() {
  put("status", "<span class='bad'>●</span> the server is gone, starting again …");
}

function showFigures(answered, found, lost) {
  put("acknowledged", grouped(answered));
  put("found", grouped(found));
  put("lost", grouped(lost));
  element("lost").className = lost > 0 ? "bad" : "good";
}

const stockRow = ({ id, name, cents, available, sold }, inCart) => `<tr>
  <td>${name}<br /><span class="soft">${available} left, ${sold} sold</span></td>
  <td class="number">${euros(cents)}</td>
  <td><button data-post="/cart/put" data-product="${id}" data-quantity="${inCart + 1}">Add</button>
    <button data-post="/stock/deliver" data-product="${id}" data-quantity="6" title="Six more arrive">+6</button></td></tr>`;

const cartRow = (id, name, quantity) => `<tr>
  <td>${name}</td><td class="number">× ${quantity}</td>
  <td><button data-post="/cart/put" data-product="${id}" data-quantity="0">Remove</button></td></tr>`;

function receiptText({ number, lines, missing, totalCents }, nameOf) {
  const list = (some) => Object.entries(some).map(([id, quantity]) => `${quantity} × ${nameOf(id)}`);
  const soldOut = list(missing).join(" and ");
  return (
    `Order ${number}: ${list(lines).join(", ") || "nothing"}, ${euros(totalCents)}.` +
    (soldOut && ` There was not enough for ${soldOut}: still in the cart.`)
  );
}

/** What a button with `data-post` does. */
async function press({ post, product, quantity }) {
  const body = { product, quantity: quantity && Number(quantity) };
  const response = await send(post, body, { "idempotency-key": crypto.randomUUID() });
  const { error } = response === null || response.ok ? {} : await response.json();
  const code = error?.reason?.code ?? error?.code;
  say(error === undefined ? "" : `${response.status} ${code}: ${error.message}`);
  await refresh().catch(showGone);
}

function toggleWriting(button) {
  if (writing === null) {
    writing = new AbortController();
    for (let writer = 0; writer < 4; writer++) void write(writing.signal);
  } else {
    writing.abort();
    writing = null;
  }
  button.textContent = writing === null ? "Start writing" : "Stop writing";
}

document.addEventListener("click", ({ target }) => {
  if (target.dataset.post !== undefined) void press(target.dataset);
  if (target.id === "write") toggleWriting(target);
});

for (;;) {
  await refresh().catch(showGone);
  await sleep(300);
}
