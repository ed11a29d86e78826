import { toMajorNumber } from "../../../platform/money/amount.ts";
import { derivedId } from "../domain/derived-id.ts";
import { accountIdOf } from "../domain/feed.ts";
import { findInstitution, type Institution, institutionProducts, institutions } from "../domain/institutions.ts";
import type { Item } from "../domain/item.ts";
import { accountType, findPerson, type PersonAccount } from "../domain/people.ts";
import { embeddedError, plaidError } from "../domain/plaid-error.ts";
import type { AccountSums, StoredTransaction } from "../storage/feed-store.ts";

/** An item as the API tells it. */
export function itemJson(item: Item) {
  const available = institutionProducts.filter((each) => !item.products.includes(each));
  return {
    item_id: item.id,
    institution_id: item.institutionId,
    institution_name: institutionOf(item).name,
    webhook: item.webhook ?? "",
    error: itemErrorJson(item),
    available_products: available,
    billed_products: item.products,
    products: item.products,
    consented_products: item.products,
    consent_expiration_time: item.consentExpiresAt?.toISOString() ?? null,
    update_type: "background",
  };
}

function itemErrorJson(item: Item) {
  if (item.state === "login_required") return embeddedError(plaidError("ITEM_LOGIN_REQUIRED"));
  if (item.state === "revoked") return embeddedError(plaidError("USER_PERMISSION_REVOKED"));
  return null;
}

/** The bank of an item. */
export function institutionOf(item: Item): Institution {
  return findInstitution(item.institutionId) ?? institutions[0];
}

/** The accounts a person shares through an item, as the bank opened them. */
export function sharedAccounts(item: Item): readonly PersonAccount[] {
  return (findPerson(item.username)?.accounts ?? []).filter((each) => item.accountKeys.includes(each.key));
}

/** The accounts of an item with what they hold. */
export function accountsJson(item: Item, sums: ReadonlyMap<string, AccountSums>) {
  return sharedAccounts(item).map((account) => ({
    account_id: accountIdOf(item.id, account.key),
    balances: balancesJson(item, account, sums.get(account.key) ?? { posted: 0n, pending: 0n }),
    mask: account.mask,
    name: account.name,
    official_name: account.officialName,
    type: accountType(account.kind),
    subtype: account.kind,
    holder_category: "personal",
    ...persistentId(item, account),
  }));
}

/** The same in every item of a person; for deposits at banks with tokenised account numbers alone, here those that sign people in themselves. */
function persistentId(item: Item, account: PersonAccount) {
  if (!institutionOf(item).oauth || accountType(account.kind) !== "depository") return {};
  return { persistent_account_id: derivedId(item.institutionId, "persistent", item.username, account.key) };
}

/** Depository: what is there. Credit: what is owed, and what is left of the limit. */
function balancesJson(item: Item, account: PersonAccount, sums: AccountSums) {
  const { currency } = institutionOf(item);
  const major = (minor: bigint) => toMajorNumber(minor, currency);
  const owed = account.openingMinor + sums.posted;
  const held = account.openingMinor - sums.posted;
  const limit = account.limitMinor;
  return {
    available: major(limit === undefined ? held - sums.pending : limit - owed - sums.pending),
    current: major(limit === undefined ? held : owed),
    limit: limit === undefined ? null : major(limit),
    ...currencyJson(currency, account),
  };
}

/** Exactly one of the two names it. */
function currencyJson(currency: string, account: PersonAccount | undefined) {
  const unofficial = account?.unofficialCurrency ?? null;
  return { iso_currency_code: unofficial === null ? currency : null, unofficial_currency_code: unofficial };
}

/** A transaction as the API tells it; above zero leaves the account. */
export function transactionJson(item: Item, row: StoredTransaction, options: { originalDescription: boolean }) {
  const bank = institutionOf(item);
  const { name, merchant, primary, detailed, channel } = row.entry;
  const inStore = channel === "in store";
  return {
    account_id: accountIdOf(item.id, row.account_key),
    account_owner: null,
    amount: toMajorNumber(row.minor, bank.currency),
    authorized_date: row.day,
    authorized_datetime: null,
    category: null,
    category_id: null,
    check_number: null,
    counterparties: merchant === null ? [] : [counterpartyJson(merchant)],
    date: row.pending ? row.day : row.posted_day,
    datetime: null,
    ...currencyJson(
      bank.currency,
      sharedAccounts(item).find((each) => each.key === row.account_key),
    ),
    location: {
      address: null,
      city: inStore ? bank.city : null,
      region: inStore ? bank.region : null,
      postal_code: null,
      country: inStore ? (bank.countryCodes[0] ?? null) : null,
      lat: null,
      lon: null,
      store_number: null,
    },
    logo_url: null,
    merchant_entity_id: null,
    merchant_name: merchant,
    name: merchant ?? name,
    ...(options.originalDescription && { original_description: name }),
    payment_channel: channel,
    payment_meta: noPaymentMeta,
    pending: row.pending,
    pending_transaction_id: row.pending_transaction_id,
    personal_finance_category: { primary, detailed, confidence_level: "VERY_HIGH" },
    personal_finance_category_icon_url: `https://plaid-category-icons.plaid.com/PFC_${primary}.png`,
    transaction_code: null,
    transaction_id: row.transaction_id,
    transaction_type: inStore ? "place" : channel === "online" ? "digital" : "special",
    website: null,
  };
}

function counterpartyJson(merchant: string) {
  return { name: merchant, type: "merchant", entity_id: null, website: null, logo_url: null, confidence_level: "HIGH" };
}

const noPaymentMeta = Object.freeze({
  reference_number: null,
  ppd_id: null,
  payee: null,
  by_order_of: null,
  payer: null,
  payment_method: null,
  payment_processor: null,
  reason: null,
});

/** An institution as the API tells it; `optional` with its address and colour. */
export function institutionJson(institution: Institution, optional: boolean) {
  return {
    institution_id: institution.id,
    name: institution.name,
    products: institutionProducts,
    country_codes: institution.countryCodes,
    routing_numbers: institution.routingNumbers,
    dtc_numbers: [],
    oauth: institution.oauth,
    ...(optional && { url: institution.url, primary_color: institution.color, logo: null }),
  };
}
