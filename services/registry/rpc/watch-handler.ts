import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Logger } from "pino";
import type { Registry, WatchRegistryResponseSchema } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { followRegistry, type RegistryEvent } from "../watch/follow-registry.ts";
import type { RegistryDeps } from "./deps.ts";
import { bankMessage, oauthClientMessage } from "./messages.ts";

type WatchMessage = MessageInitShape<typeof WatchRegistryResponseSchema>;

/** The one service that calls banks' payment networks, and so the one that is given their keys. */
const keyReader = "router";

/** The watch stream of the other services. */
export function watchHandler(deps: RegistryDeps): Pick<Handlers<typeof Registry>, "watchRegistry"> {
  return {
    watchRegistry: async function* (_request, ctx) {
      const withKeys = ctx.principal.kind === "service" && ctx.principal.service === keyReader;
      for await (const event of followRegistry(deps, ctx.signal)) yield watchMessage(deps, event, withKeys, ctx.log);
    },
  };
}

function watchMessage(deps: RegistryDeps, event: RegistryEvent, withKeys: boolean, log: Logger): WatchMessage {
  const { revision } = event;
  switch (event.kind) {
    case "bank": {
      const apiKey = withKeys && event.apiKeySealed ? openKey(deps, event.bank.id, event.apiKeySealed, log) : undefined;
      const value = { bank: bankMessage(event.bank), ...(apiKey === undefined ? {} : { apiKey }) };
      return { revision, event: { case: "bank", value } };
    }
    case "merchant": {
      const { id, name, status } = event.merchant;
      const keys = event.keys.map(({ keyId, hash }) => ({ keyId, hash }));
      return { revision, event: { case: "merchant", value: { merchantId: id, name, status, keys } } };
    }
    case "oauth_client": {
      const secrets = event.secrets.map(({ keyId, hash }) => ({ keyId, hash }));
      return { revision, event: { case: "oauthClient", value: { client: oauthClientMessage(event.client), secrets } } };
    }
    case "snapshot_complete":
      return { revision, event: { case: "snapshotComplete", value: {} } };
    case "keepalive":
      return { revision, event: { case: "keepalive", value: {} } };
    default: {
      const impossible: never = event;
      throw new Error(`unreachable event ${String(impossible)}`);
    }
  }
}

/** One key that does not open must not cut the Router off from every other bank. */
function openKey(deps: RegistryDeps, bankId: string, sealed: Buffer, log: Logger): string | undefined {
  try {
    return deps.box.open(bankId, sealed);
  } catch (error) {
    log.error({ err: error, bankId }, "a bank's key does not open; the bank has to register again");
    return undefined;
  }
}
