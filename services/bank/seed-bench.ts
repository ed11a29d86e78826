import { parseArgs } from "node:util";
import { z } from "zod";
import { readConfig, secretText } from "../platform/config/read-config.ts";
import { openDatabase } from "../platform/db/open-database.ts";
import { parseAmount, toMajorNumber } from "../platform/money/amount.ts";
import { defaultCurrency } from "../platform/money/currency.ts";
import { createLogger } from "../platform/telemetry/logger.ts";
import { deriveBankKeys } from "./oidc/bank-keys.ts";
import { seedBench } from "./storage/bench-seed.ts";
import type { MoneyTables } from "./storage/tables.ts";

/*
 * Prepares a local bank for a benchmark, straight in its database:
 *
 *   node services/bank/seed-bench.ts --cards 10000 --tokens 20000 --merchant ssim-merchant --amount 1.00 > tokens.txt
 *
 * with the bank's own PAYMESH_ENV=local, BSIM_ID, BSIM_ENCRYPTION_KEY, DATABASE_URL and DATABASE_SCHEMA. Prints one line per
 * token: the card token, a space, and a wallet card token of the same card that names this bank. Tokens last 15 minutes.
 */

const schema = z.object({
  PAYMESH_ENV: z.literal("local"),
  BSIM_ID: z.string().min(1),
  BSIM_ENCRYPTION_KEY: secretText(32),
  DATABASE_URL: z.url(),
  DATABASE_SCHEMA: z.string().min(1),
});

const config = readConfig(schema, process.env);
const { values } = parseArgs({
  options: {
    cards: { type: "string", default: "10000" },
    tokens: { type: "string", default: "10000" },
    merchant: { type: "string", default: "ssim-merchant" },
    amount: { type: "string", default: "1.00" },
  },
});
const amountMinor = parseAmount(values.amount, defaultCurrency);
const db = openDatabase<MoneyTables>({
  url: config.DATABASE_URL,
  schema: config.DATABASE_SCHEMA,
  applicationName: "paymesh-bench-seed",
  statementTimeoutMs: 60_000,
  log: createLogger({ service: "bank" }),
});
const minted = await seedBench(db, {
  bsimId: config.BSIM_ID,
  cardTokenKey: deriveBankKeys(config.BSIM_ENCRYPTION_KEY, config.BSIM_ID).cardToken,
  cards: Number.parseInt(values.cards, 10),
  tokens: Number.parseInt(values.tokens, 10),
  merchantId: values.merchant,
  amountMinor,
  amount: toMajorNumber(amountMinor, defaultCurrency),
  now: new Date(),
});
await db.close();
const lines = minted.map(({ cardToken, cardId }) => `${cardToken} wsim_${config.BSIM_ID}_${cardId}\n`);
process.stdout.write(lines.join(""));
