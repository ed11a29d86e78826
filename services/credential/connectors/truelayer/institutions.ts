import { z } from "zod";
import type { ProviderCall } from "../connector.ts";
import type { Institution } from "../provider-data.ts";
import type { TrueLayerApi } from "./truelayer-api.ts";

const institutionsMax = 500;
const providerShape = z.looseObject({
  provider_id: z.string().min(1).max(200),
  display_name: z.string().min(1).max(200),
  /** Lower case; the United Kingdom is `uk`. */
  country: z.string().max(10).nullish(),
  logo_url: z
    .url({ protocol: /^https$/ })
    .max(2_048)
    .nullish()
    .catch(undefined),
  scopes: z.array(z.string().max(60)).nullish(),
});
type Provider = z.infer<typeof providerShape>;
const providersShape = z.array(providerShape).max(5_000);

/** The banks people can choose, as the words of `providers` name them, by name. */
export async function listInstitutions(
  api: TrueLayerApi,
  providers: readonly string[],
  call: ProviderCall,
): Promise<readonly Institution[]> {
  const all = await api.providers(providersShape, call);
  return all
    .filter((each) => each.scopes?.includes("accounts") !== false)
    .filter((each) => providers.some((word) => isMeant(word, each)))
    .map((each) => ({
      institutionId: each.provider_id,
      name: each.display_name,
      logoUrl: each.logo_url ?? undefined,
      countries: countriesOf(each),
    }))
    .sort((one, other) => one.name.localeCompare(other.name, "en"))
    .slice(0, institutionsMax);
}

/** `uk-ob-all` are the providers of that country whose ids begin with `ob-`; `mock` are those that are made up, wherever. */
function isMeant(word: string, provider: Provider): boolean {
  if (word === provider.provider_id || word === "mock") return true;
  const [, country, kind] = /^([a-z]{2})-([a-z0-9]+)-all$/.exec(word) ?? [];
  return country !== undefined && provider.country === country && provider.provider_id.startsWith(`${kind}-`);
}

function countriesOf({ country }: Provider): readonly string[] {
  if (country === null || country === undefined || !/^[a-z]{2}$/.test(country)) return [];
  return [country === "uk" ? "GB" : country.toUpperCase()];
}
