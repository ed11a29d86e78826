import {
  createStatementMaker,
  type Entry as KitEntry,
  type Statement as KitStatement,
} from "../../kit/domain/statement.ts";

/** Basiq's words for what a transaction is, with the industry of a purchase (ANZSIC). */
export interface Classified {
  readonly class: "payment" | "transfer" | "direct-credit" | "interest" | "credit-card-payment";
  readonly subClass: { readonly code: string; readonly title: string } | null;
}

/** A line of a statement here. */
export type Entry = KitEntry<Classified>;

/** A statement here. */
export type Statement = KitStatement<Classified>;

const paid = (code: string, title: string): Classified => ({ class: "payment", subClass: { code, title } });
const plain = (word: Classified["class"]): Classified => ({ class: word, subClass: null });

/** The statements of the people of this sandbox. */
export const statements = createStatementMaker<Classified>({
  pay: { description: "PIED PIPER PTY LTD SALARY", category: plain("direct-credit") },
  rent: { description: "DIRECT DEBIT HARBOURSIDE REALTY", category: paid("671", "Property Operators") },
  bills: [
    { day: 6, description: "SOUTHERLY ENERGY", category: paid("264", "Electricity Supply"), min: 9_800, max: 21_400 },
    { day: 11, description: "KOOKABURRA MOBILE", category: paid("580", "Telecommunications"), min: 4_500, max: 4_500 },
    { day: 15, description: "REEF HEALTH FUND", category: paid("632", "Health Insurance"), min: 18_640, max: 18_640 },
  ],
  savedOut: { description: "TRANSFER TO BONUS SAVER", category: plain("transfer") },
  savedIn: { description: "TRANSFER FROM EVERYDAY ACCOUNT", category: plain("transfer") },
  interest: { description: "BONUS INTEREST", category: plain("interest") },
  cardPaidOut: { description: "CARD REPAYMENT", category: plain("credit-card-payment") },
  cardPaidIn: { description: "PAYMENT THANK YOU", category: plain("credit-card-payment") },
  reserveOut: { description: "TRANSFER TO TERM DEPOSIT", category: plain("transfer") },
  reserveIn: { description: "TRANSFER FROM TERM DEPOSIT", category: plain("transfer") },
  everyday: [
    { merchant: "Gumtree Grocers", category: paid("411", "Supermarket and Grocery Stores"), min: 780, max: 14_200 },
    { merchant: "Corner Flat White", category: paid("451", "Cafes and Restaurants"), min: 480, max: 2_350 },
    { merchant: "Opal Coast Transit", category: paid("461", "Road Passenger Transport"), min: 320, max: 980 },
    { merchant: "Billy Tea Bakery", category: paid("412", "Specialised Food Retailing"), min: 650, max: 2_800 },
  ],
  wishes: [
    { merchant: "Bushtrack Outdoor", category: paid("424", "Recreational Goods Retailing"), min: 2_900, max: 18_900 },
    { merchant: "Lantern Lane Books", category: paid("424", "Recreational Goods Retailing"), min: 1_495, max: 6_400 },
    { merchant: "Red Dirt Fuel", category: paid("400", "Fuel Retailing"), min: 4_200, max: 11_800 },
    { merchant: "Silver Gull Cinemas", category: paid("551", "Motion Picture Activities"), min: 1_900, max: 5_200 },
  ],
});
