/** What the site puts around its pages: sections that are open at the first visit, and the way to the next page. */

import { JSX, type Application, type Models } from "typedoc";

/** Adds the frame to all pages. `sections` are open until a reader closes them. */
export function framePages(app: Application, sections: readonly string[]): void {
  const open = sections.map((section) => `localStorage["tsd-accordion-${section}"] ??= "true";`).join("");
  app.renderer.hooks.on("head.end", () => script(`try{${open}}catch{}`));
  app.renderer.hooks.on("body.begin", ({ page }) =>
    // The title of a page of the documentation is its own first heading.
    page.model.isProject() || page.model.isDocument() ? script('document.body.classList.add("site-page")') : none(),
  );
  app.renderer.hooks.on("content.end", ({ page, urlTo }) => {
    const pages = page.project.documents ?? [];
    const here = page.model.isDocument() ? pages.indexOf(page.model) : page.model.isProject() ? -1 : null;
    if (here === null || page.url.endsWith("modules.html") || page.url.endsWith("hierarchy.html")) return none();
    const link = (to: Models.DocumentReflection | undefined, before: string, after: string): JSX.Element =>
      to === undefined ? none() : JSX.createElement("a", { href: urlTo(to) }, `${before}${to.name}${after}`);
    const links = [link(pages[here - 1], "← ", ""), link(pages[here + 1], "", " →")];
    return JSX.createElement("nav", { class: "site-turn", "aria-label": "Pages" }, ...links);
  });
}

function script(text: string): JSX.Element {
  return JSX.createElement("script", null, JSX.createElement(JSX.Raw, { html: text }));
}

function none(): JSX.Element {
  return JSX.createElement(JSX.Fragment, null);
}
