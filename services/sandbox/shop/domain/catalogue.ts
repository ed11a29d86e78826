/** Everything the shop sells is priced in this currency. */
export const shopCurrency = "CAD";
/** Most pieces of one product in a cart. */
export const quantityMax = 20;

/** A product on the shelf. `priceMinor` is in cents. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly priceMinor: bigint;
}

/** The shelf, in the order shown. */
export const catalogue: readonly Product[] = [
  {
    id: "maple-syrup",
    name: "Maple syrup",
    description: "Dark and robust, 500 ml, from one sugar bush.",
    priceMinor: 1_850n,
  },
  {
    id: "wool-toque",
    name: "Wool toque",
    description: "Knitted, warm to minus thirty, one size.",
    priceMinor: 3_499n,
  },
  {
    id: "enamel-mug",
    name: "Enamel mug",
    description: "For the dock or the desk, 350 ml.",
    priceMinor: 1_600n,
  },
  {
    id: "canoe-paddle",
    name: "Canoe paddle",
    description: "Cherry wood, oiled by hand, 147 cm.",
    priceMinor: 12_900n,
  },
];

/** The product with this id, if it is sold here. */
export function findProduct(id: string): Product | undefined {
  return catalogue.find((product) => product.id === id);
}

/** One line of a cart or an order. `priceMinor` is the price of one piece when it was put there. */
export interface Line {
  readonly productId: string;
  readonly name: string;
  readonly quantity: number;
  readonly priceMinor: bigint;
}

/** The sum of all lines, in cents. */
export function totalOf(lines: readonly Line[]): bigint {
  return lines.reduce((sum, line) => sum + line.priceMinor * BigInt(line.quantity), 0n);
}
