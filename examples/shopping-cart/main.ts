/** Orders that are paid, repeated and forgotten: `npm run example -- shopping-cart`. */

import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "durable-object";
import { storeFor } from "../store.ts";
import { Cart } from "./cart.ts";
import { Stock } from "./stock.ts";

await using runtime = await createRuntime({ objects: [Cart, Stock], store: storeFor("shopping-cart") });
const id = `visitor ${Date.now()}`;
const [cart, mugs] = [runtime.get(Cart, id), runtime.get(Stock, "mug")];
await mugs.deliver(3);
for (const isPaid of [true, false]) {
  await cart.put("mug", 2);
  const { number, totalCents } = await cart.reserve(await cart.checkOut());
  console.log("reserved", await mugs.look());
  const wrong = await cart.safe.pay(number, 1);
  console.log("one cent?", wrong.ok || wrong.error.reason);
  // A browser that lost the answer pays again: under the same key it is taken once.
  const payment = runtime.get(Cart, id, { idempotencyKey: `payment ${number}` });
  if (isPaid) for (const _ of ["once", "again"]) console.log(await payment.pay(number, totalCents));
  else await cart.alarms.schedule("end", 0); // nobody pays for ten minutes; here they are over at once
  while ((await cart.look()).order !== null) await sleep(20);
  console.log(isPaid ? "sold" : "given back", await mugs.look());
}
