import {
  createStatementMaker,
  type Entry as KitEntry,
  type Statement as KitStatement,
} from "../../kit/domain/statement.ts";

/** TrueLayer's words for what a transaction is. */
export type Category =
  | "PURCHASE"
  | "DIRECT_DEBIT"
  | "STANDING_ORDER"
  | "TRANSFER"
  | "CREDIT"
  | "INTEREST"
  | "BILL_PAYMENT"
  | "OTHER";

/** The kind of a transaction and what it was spent on. */
export interface Classified {
  readonly category: Category;
  readonly classification: readonly string[];
}

/** A line of a statement here. */
export type Entry = KitEntry<Classified>;

/** A statement here. */
export type Statement = KitStatement<Classified>;

const bought = (...classification: readonly string[]): Classified => ({ category: "PURCHASE", classification });
const utilities: Classified = { category: "DIRECT_DEBIT", classification: ["Bills and Utilities", "Utilities"] };
const plain = (category: Category): Classified => ({ category, classification: [] });

/** The statements of the people of this sandbox. */
export const statements = createStatementMaker<Classified>({
  pay: { description: "MERIDIAN WORKS LTD SALARY", category: plain("CREDIT") },
  rent: { description: "STANDING ORDER RIVERSIDE LETTINGS", category: plain("STANDING_ORDER") },
  bills: [
    { day: 5, description: "BRIGHTWAVE BROADBAND", category: utilities, min: 3_400, max: 3_400 },
    { day: 9, description: "PEAK & VALLEY ENERGY", category: utilities, min: 6_800, max: 13_900 },
    { day: 14, description: "CITY COUNCIL TAX", category: utilities, min: 14_250, max: 14_250 },
  ],
  savedOut: { description: "TRANSFER TO EASY SAVER", category: plain("TRANSFER") },
  savedIn: { description: "TRANSFER FROM CURRENT ACCOUNT", category: plain("TRANSFER") },
  interest: { description: "GROSS INTEREST", category: plain("INTEREST") },
  cardPaidOut: { description: "CREDIT CARD PAYMENT", category: plain("DIRECT_DEBIT") },
  cardPaidIn: { description: "PAYMENT RECEIVED THANK YOU", category: plain("CREDIT") },
  reserveOut: { description: "TRANSFER TO ISA", category: plain("TRANSFER") },
  reserveIn: { description: "TRANSFER FROM ISA", category: plain("TRANSFER") },
  everyday: [
    { merchant: "Fernbank Foods", category: bought("Food & Dining", "Groceries"), min: 640, max: 8_450 },
    { merchant: "Corner Larder", category: bought("Food & Dining", "Groceries"), min: 180, max: 2_390 },
    { merchant: "Copper Kettle Coffee", category: bought("Food & Dining", "Coffee shops"), min: 260, max: 890 },
    { merchant: "The Plough & Sail", category: bought("Food & Dining", "Restaurants"), min: 1_150, max: 5_600 },
    { merchant: "Metroline Travel", category: bought("Auto & Transport", "Public transport"), min: 175, max: 1_290 },
  ],
  wishes: [
    { merchant: "Moorland Outdoors", category: bought("Shopping", "Sporting Goods"), min: 1_800, max: 12_900 },
    { merchant: "Quill & Page Books", category: bought("Shopping", "Books"), min: 799, max: 4_200 },
    { merchant: "Harbour Lights Cinema", category: bought("Entertainment", "Movies & DVDs"), min: 950, max: 3_600 },
    { merchant: "Northgate Fuel", category: bought("Auto & Transport", "Gas & Fuel"), min: 3_200, max: 7_800 },
  ],
});
