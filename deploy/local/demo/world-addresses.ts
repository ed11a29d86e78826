import type { ProviderName } from "../provider-sandboxes.ts";
import { type DemoBankId, demoWorld } from "../world.ts";

/** Where the world answers; the parts of a running mesh that the demo uses. */
export interface WorldAddresses {
  readonly gateway: string;
  readonly oidc: string;
  readonly shop: string;
  readonly mail: string;
  readonly banks: Readonly<Record<DemoBankId, string>>;
  /** Stand-ins of data providers. */
  readonly providers: Readonly<Record<ProviderName, string>>;
}

/** A demo bank's display name. */
export function bankName(id: DemoBankId): string {
  return demoWorld.banks.find((bank) => bank.id === id)?.name ?? id;
}
