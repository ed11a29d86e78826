import type { Connector, ConsentExtension } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { FlightOutcome } from "../storage/refresh-store.ts";
import type { AskProvider } from "./refresh-flight.ts";

/** How an extension ended. Failures are those of a refresh. */
export type ExtensionResult =
  | { readonly outcome: "extended" }
  /** The user has to go to this page; `proofs` are to be kept until he comes back. */
  | { readonly outcome: "user_needed"; readonly authUrl: string; readonly proofs: string }
  /** This provider, or this bank, extends nothing: the user has to consent anew. */
  | { readonly outcome: "refused" }
  | { readonly outcome: Exclude<FlightOutcome, "refreshed"> | "gone" };

/** One try to extend a consent: what its flight asks, and what came of it. */
export interface Extension {
  readonly ask: AskProvider;
  /** Undefined when the flight did something else than extend, such as bringing home an answer that was lost: to be tried again. */
  resultOf(outcome: FlightOutcome | "overtaken"): ExtensionResult | undefined;
}

/** Makes a try; `onRefusal` hears of a refusal to extend, which is no failure of the flight. */
export function createExtension(
  state: string,
  onRefusal: (connector: Connector, refusal: ProviderError) => void,
): Extension {
  let told: ConsentExtension | "refused" | undefined;
  return {
    ask: async (connector, grant, call) => {
      told = undefined;
      if (connector.extendConsent === undefined) {
        told = "refused";
        return undefined;
      }
      try {
        told = await connector.extendConsent({ ...grant, state }, call);
        return told.tokens;
      } catch (error) {
        // A refusal to extend says nothing of the tokens, which stay good.
        if (!(error instanceof ProviderError) || error.failure !== "forbidden") throw error;
        onRefusal(connector, error);
        told = "refused";
        return undefined;
      }
    },
    resultOf: (outcome) => {
      if (told === "refused") return { outcome: "refused" };
      if (told?.authUrl !== undefined) {
        return { outcome: "user_needed", authUrl: told.authUrl, proofs: told.proofs ?? "{}" };
      }
      if (told !== undefined && outcome === "refreshed") return { outcome: "extended" };
      return outcome === "overtaken" || outcome === "refreshed" ? undefined : { outcome };
    },
  };
}
