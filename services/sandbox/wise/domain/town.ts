import {
  createStatementMaker,
  type Entry as KitEntry,
  type Statement as KitStatement,
} from "../../kit/domain/statement.ts";

/** Wise's words for what a line of a statement is, as far as people here have them. */
export const lineKinds = [
  "CARD",
  "TRANSFER",
  "DEPOSIT",
  "DIRECT_DEBIT",
  "BALANCE_INTEREST",
  "INCOMING_CROSS_BALANCE",
  "OUTGOING_CROSS_BALANCE",
] as const;

/** One of {@link lineKinds}. */
export type LineKind = (typeof lineKinds)[number];

/** What a line is, and for a card purchase the merchant's category. */
export interface Classified {
  readonly kind: LineKind;
  readonly category: string | null;
}

/** A line of a statement here. */
export type Entry = KitEntry<Classified>;

/** A statement here. */
export type Statement = KitStatement<Classified>;

const plain = (kind: LineKind): Classified => ({ kind, category: null });
const bought = (category: string): Classified => ({ kind: "CARD", category });

/** The statements of the balances of this sandbox. */
export const statements = createStatementMaker<Classified>({
  pay: { description: "Received money from ALDERWICK STUDIOS with reference SALARY", category: plain("DEPOSIT") },
  rent: { description: "Sent money to Quayside Homes", category: plain("TRANSFER") },
  bills: [
    { day: 6, description: "Direct debit to Lumen Broadband", category: plain("DIRECT_DEBIT"), min: 2_900, max: 2_900 },
    {
      day: 10,
      description: "Direct debit to Northwind Power",
      category: plain("DIRECT_DEBIT"),
      min: 5_200,
      max: 11_800,
    },
    { day: 21, description: "Sent money to Mira Kask", category: plain("TRANSFER"), min: 4_000, max: 9_000 },
  ],
  savedOut: { description: "Moved money to jar", category: plain("OUTGOING_CROSS_BALANCE") },
  savedIn: { description: "Moved money from balance", category: plain("INCOMING_CROSS_BALANCE") },
  interest: { description: "Balance interest", category: plain("BALANCE_INTEREST") },
  cardPaidOut: { description: "Sent money to Card", category: plain("TRANSFER") },
  cardPaidIn: { description: "Received money for Card", category: plain("DEPOSIT") },
  reserveOut: { description: "Sent money to own account at another bank", category: plain("TRANSFER") },
  reserveIn: { description: "Topped up balance", category: plain("DEPOSIT") },
  everyday: [
    { merchant: "Greenfold Market", category: bought("Grocery Stores and Supermarkets"), min: 520, max: 7_900 },
    { merchant: "Rye & Sons Bakery", category: bought("Bakeries"), min: 240, max: 1_450 },
    { merchant: "Citylink Transit", category: bought("Transportation Suburban and Loca"), min: 160, max: 1_180 },
    { merchant: "Saffron Table", category: bought("Eating Places and Restaurants"), min: 980, max: 6_200 },
    { merchant: "Paperlark Books", category: bought("Book Stores"), min: 640, max: 3_900 },
  ],
  wishes: [{ merchant: "Fjordline Travel", category: bought("Travel Agencies"), min: 4_500, max: 32_000 }],
});
