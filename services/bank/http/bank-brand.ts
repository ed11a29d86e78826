import { type Brand, colorForId } from "../../platform/pages/brand.ts";

/** Who speaks on a bank's pages: its name, in the colour its id gives. */
export function bankBrand(bank: { readonly bsimId: string; readonly name: string }): Brand {
  return { id: bank.bsimId, name: bank.name, color: colorForId(bank.bsimId) };
}
