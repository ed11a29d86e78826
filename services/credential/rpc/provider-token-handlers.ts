import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Credential, ProviderTokenStatusSchema } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { resumeProviderToken } from "../flows/resume-provider-token.ts";
import { listTokenStates, type ProviderTokenState } from "../storage/provider-token-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { callerOf } from "./request-parts.ts";

/** What operators see and do of the installation's own tokens. */
export function providerTokenHandlers({
  deps,
}: HandlerParts): Pick<Handlers<typeof Credential>, "listProviderTokens" | "resumeProviderToken"> {
  return {
    listProviderTokens: async () => {
      const states = await listTokenStates(deps.storage.db.query);
      return { tokens: states.map(statusMessage) };
    },
    resumeProviderToken: async (request, ctx) => {
      await resumeProviderToken(deps, request.name, callerOf(ctx).actor);
      return {};
    },
  };
}

function statusMessage(state: ProviderTokenState): MessageInitShape<typeof ProviderTokenStatusSchema> {
  const hasToken = state.token !== undefined;
  return {
    name: state.name,
    hasToken,
    ageSeconds: hasToken ? Math.floor(state.ageMs / 1000) : 0,
    refusals: state.refusalsInAll,
    lastOutcome: state.lastOutcome,
    waitSeconds: Math.max(0, Math.ceil(state.waitMs / 1000)),
  };
}
