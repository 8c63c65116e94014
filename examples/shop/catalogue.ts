/** What the shop sells. Not an object: it never changes while the shop runs. */

export interface Product {
  readonly name: string;
  readonly cents: number;
}

const products: Readonly<Record<string, Product>> = {
  tea: { name: "Green tea, 100 g", cents: 690 },
  mug: { name: "Enamel mug", cents: 1250 },
  kettle: { name: "Small kettle", cents: 3900 },
};

/** The keys of all products: they are the ids of the stock objects. */
export const productIds: readonly string[] = Object.keys(products);

/** A product, or null if the shop has no such thing. */
export function findProduct(id: string): Product | null {
  return Object.hasOwn(products, id) ? (products[id] ?? null) : null;
}

/** How many of each product. */
export type Lines = Readonly<Record<string, number>>;

/** What some lines cost. */
export function totalCents(lines: Lines): number {
  return Object.entries(lines).reduce((sum, [id, quantity]) => sum + (findProduct(id)?.cents ?? 0) * quantity, 0);
}
