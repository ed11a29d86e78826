import {
  createStatementMaker,
  type Entry as KitEntry,
  type Statement as KitStatement,
} from "../../kit/domain/statement.ts";

/** The provider's category of a transaction and its kind. */
export interface Category {
  readonly category: string;
  readonly type: "pointOfSale" | "directDebit" | "directDeposit" | "transfer" | "payment" | "interest" | "other";
}

/** A line of a statement here. */
export type Entry = KitEntry<Category>;

/** A statement here. */
export type Statement = KitStatement<Category>;

const bought = (category: string): Category => ({ category, type: "pointOfSale" });
const billed = (category: string): Category => ({ category, type: "directDebit" });
const moved: Category = { category: "Transfer", type: "transfer" };
const cardPayment: Category = { category: "Credit Card Payment", type: "payment" };

/** The statements of the people of this sandbox. */
export const statements = createStatementMaker<Category>({
  pay: { description: "LUMEN STUDIO PAYROLL", category: { category: "Paycheck", type: "directDeposit" } },
  rent: { description: "OAKWOOD PROPERTY RENT", category: billed("Mortgage & Rent") },
  bills: [
    {
      day: 5,
      description: "STREAMLY.COM",
      merchant: "Streamly",
      category: billed("Streaming Services"),
      min: 1_599,
      max: 1_599,
    },
    {
      day: 8,
      description: "RIVER POWER & LIGHT",
      merchant: "River Power & Light",
      category: billed("Utilities"),
      min: 6_200,
      max: 14_800,
    },
    {
      day: 12,
      description: "CLEARWAVE MOBILE",
      merchant: "Clearwave",
      category: billed("Mobile Phone"),
      min: 5_500,
      max: 5_500,
    },
  ],
  savedOut: { description: "TRANSFER TO SAVINGS", category: moved },
  savedIn: { description: "TRANSFER FROM CHECKING", category: moved },
  interest: { description: "INTEREST PAID", category: { category: "Interest Income", type: "interest" } },
  cardPaidOut: { description: "CARD PAYMENT", category: cardPayment },
  cardPaidIn: { description: "PAYMENT RECEIVED", category: cardPayment },
  reserveOut: { description: "TRANSFER TO MONEY MARKET", category: moved },
  reserveIn: { description: "TRANSFER FROM MONEY MARKET", category: moved },
  everyday: [
    { merchant: "Greenleaf Market", category: bought("Groceries"), min: 1_850, max: 9_400 },
    { merchant: "Harvest Co-op", category: bought("Groceries"), min: 1_200, max: 6_800 },
    { merchant: "Bluebird Coffee", category: bought("Coffee Shops"), min: 380, max: 1_150 },
    { merchant: "Noodle Corner", category: bought("Restaurants"), min: 1_250, max: 4_600 },
    { merchant: "City Transit", category: bought("Public Transportation"), min: 275, max: 550 },
  ],
  wishes: [
    { merchant: "Cascade Outfitters", category: bought("Clothing"), min: 2_400, max: 12_900 },
    { merchant: "Northline Fuel", category: bought("Gas & Fuel"), min: 2_900, max: 6_700 },
    { merchant: "Paper Lantern Books", category: bought("Books"), min: 1_100, max: 5_200 },
    { merchant: "Harbour Cinema", category: bought("Movies & DVDs"), min: 1_400, max: 3_800 },
  ],
});
