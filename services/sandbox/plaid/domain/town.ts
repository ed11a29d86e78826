import type { Town } from "../../kit/domain/household.ts";

/** What Plaid says of a line: its two categories, and how the money was spent. */
export interface Category {
  readonly primary: string;
  readonly detailed: string;
  readonly channel: "online" | "in store" | "other";
}

const category = (primary: string, detail: string, channel: Category["channel"]): Category => ({
  primary,
  detailed: `${primary}_${detail}`,
  channel,
});
const bought = (primary: string, detail: string) => category(primary, detail, "in store");
const billed = (primary: string, detail: string) => category(primary, detail, "online");
const moved = (primary: string, detail: string) => category(primary, detail, "other");

/** The shops, bills and employers of the people here. */
export const town: Town<Category> = {
  pay: { description: "LUMEN STUDIO PAYROLL", category: moved("INCOME", "WAGES") },
  rent: { description: "Oakwood Property Rent", category: moved("RENT_AND_UTILITIES", "RENT") },
  bills: [
    {
      day: 5,
      description: "Streamly",
      merchant: "Streamly",
      category: billed("ENTERTAINMENT", "TV_AND_MOVIES"),
      min: 1_599,
      max: 1_599,
    },
    {
      day: 8,
      description: "River Power & Light",
      merchant: "River Power & Light",
      category: billed("RENT_AND_UTILITIES", "GAS_AND_ELECTRICITY"),
      min: 6_200,
      max: 14_800,
    },
    {
      day: 12,
      description: "Clearwave Mobile",
      merchant: "Clearwave Mobile",
      category: billed("RENT_AND_UTILITIES", "TELEPHONE"),
      min: 5_500,
      max: 5_500,
    },
  ],
  savedOut: { description: "Transfer to Savings", category: moved("TRANSFER_OUT", "SAVINGS") },
  savedIn: { description: "Transfer from Checking", category: moved("TRANSFER_IN", "SAVINGS") },
  interest: { description: "Interest", category: moved("INCOME", "INTEREST_EARNED") },
  cardPaidOut: { description: "Card Payment", category: moved("LOAN_PAYMENTS", "CREDIT_CARD_PAYMENT") },
  cardPaidIn: { description: "Payment Received", category: moved("LOAN_PAYMENTS", "CREDIT_CARD_PAYMENT") },
  reserveOut: { description: "Transfer to Money Market", category: moved("TRANSFER_OUT", "SAVINGS") },
  reserveIn: { description: "Transfer from Money Market", category: moved("TRANSFER_IN", "SAVINGS") },
  everyday: [
    { merchant: "Greenleaf Market", category: bought("FOOD_AND_DRINK", "GROCERIES"), min: 1_850, max: 11_400 },
    { merchant: "Harvest Co-op", category: bought("FOOD_AND_DRINK", "GROCERIES"), min: 2_200, max: 9_800 },
    { merchant: "Bluebird Coffee", category: bought("FOOD_AND_DRINK", "COFFEE"), min: 380, max: 1_150 },
    { merchant: "Noodle Corner", category: bought("FOOD_AND_DRINK", "RESTAURANT"), min: 1_250, max: 4_600 },
    { merchant: "City Transit", category: bought("TRANSPORTATION", "PUBLIC_TRANSIT"), min: 275, max: 550 },
  ],
  wishes: [
    {
      merchant: "Cascade Outfitters",
      category: bought("GENERAL_MERCHANDISE", "CLOTHING_AND_ACCESSORIES"),
      min: 2_400,
      max: 14_900,
    },
    { merchant: "Northline Fuel", category: bought("TRANSPORTATION", "GAS"), min: 2_900, max: 6_700 },
    {
      merchant: "Paper Lantern Books",
      category: bought("GENERAL_MERCHANDISE", "BOOKSTORES_AND_NEWSSTANDS"),
      min: 1_100,
      max: 5_200,
    },
    { merchant: "Harbour Cinema", category: bought("ENTERTAINMENT", "TV_AND_MOVIES"), min: 1_400, max: 3_800 },
  ],
};
