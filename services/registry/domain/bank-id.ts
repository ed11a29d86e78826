import { DomainError } from "../../platform/errors/domain-error.ts";

/** A bank's id that was parsed when it registered. */
export type BankId = string & { readonly brand: "BankId" };

const pattern = /^[a-z0-9-]{1,64}$/;

/**
 * Parses the id of a bank that registers or gets a key; ids of stored rows are looked up, not parsed. Both spellings may
 * be given, then they must agree.
 * @throws DomainError BANK_ID_INVALID, or REQUIRED_FIELDS_MISSING when neither is given.
 */
export function parseNewBankId(bsimId: string, bankId = ""): BankId {
  const text = bsimId || bankId;
  if (text === "") throw new DomainError("REQUIRED_FIELDS_MISSING", { required: ["bsimId"], missing: ["bsimId"] });
  if (!pattern.test(text)) throw new DomainError("BANK_ID_INVALID");
  if (bankId !== "" && bankId !== text) throw new DomainError("BANK_ID_INVALID");
  return text as BankId; // matched above
}
