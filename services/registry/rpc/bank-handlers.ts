import type { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { holdsDemoSecret } from "../../platform/config/demo-secrets.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Principal } from "../../platform/rpc/principal.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { checkChosenSecret } from "../domain/access-key.ts";
import type { Bank } from "../domain/bank.ts";
import { changeBankFacts, parseBankFacts } from "../domain/bank-facts.ts";
import { parseNewBankId } from "../domain/bank-id.ts";
import { type BankActor, decideStanding, eventForStatus, type StandingEvent } from "../domain/bank-standing.ts";
import type { RegistryDeps } from "./deps.ts";
import { bankMessage } from "./messages.ts";
import { cutPage, readPage } from "./paging.ts";

const listRowsMax = 200;
const heartbeatSpacingMs = 5_000;

type BankMethods =
  | "registerBank"
  | "listBanks"
  | "getBank"
  | "updateBank"
  | "removeBank"
  | "pauseBank"
  | "resumeBank"
  | "sendHeartbeat";

/** Registering, reading and changing banks. */
export function bankHandlers(deps: RegistryDeps): Pick<Handlers<typeof Registry>, BankMethods> {
  return {
    registerBank: async (request, ctx) => {
      const id = parseNewBankId(request.bsimId, request.bankId);
      const actor = actorOf(ctx.principal);
      const own = ctx.principal.kind !== "bank" || ctx.principal.bankId === id;
      // The id is the key's, so another bank's row is never even looked at but to name the right error.
      if (!own) throw new DomainError((await deps.banks.find(id)) ? "BANK_ID_TAKEN" : "BANK_OF_ANOTHER");
      const facts = parseBankFacts(request, deps.rules);
      const apiKey = checkedApiKey(deps, request.apiKey);
      const { bank, created } = await deps.banks.save(id, (stored) => ({
        facts,
        standing: stored ? decideStanding(stored, "register", actor) : { status: "active", heldByOperator: false },
        apiKey,
      }));
      if (created) ctx.setHttpStatus(201);
      ctx.log.info({ bankId: id, outcome: created ? "created" : "updated" }, "bank registered");
      return bankMessage(bank);
    },

    listBanks: async (request, ctx) => {
      const page = readPage(request, listRowsMax);
      const includeInactive = request.includeInactive && ctx.principal.kind === "operator";
      const found = await deps.banks.list({ includeInactive, after: page.after, limit: page.limit + 1 });
      // Both lists of the answer hold every row.
      const { rows, nextPageToken } = cutPage(found, page.limit, 2);
      const lastProbes = await deps.probes.lastProbes(rows.map((bank) => bank.id));
      const banks = rows.map((bank) => bankMessage(bank, lastProbes.get(bank.id)));
      return { bsims: banks, banks, ...(nextPageToken === "" ? {} : { nextPageToken }) };
    },

    getBank: async (request) => {
      const bank = await deps.banks.find(request.id);
      if (!bank) throw new DomainError("BANK_NOT_FOUND");
      return bankMessage(bank, (await deps.probes.lastProbes([bank.id])).get(bank.id));
    },

    updateBank: async (request, ctx) => {
      const actor = checkOwn(ctx.principal, request.id);
      const apiKey = checkedApiKey(deps, request.apiKey);
      const event = request.status ? eventForStatus(request.status) : undefined;
      const { bank } = await deps.banks.save(request.id, (stored) => {
        if (!stored) throw new DomainError("BANK_NOT_FOUND");
        return {
          facts: changeBankFacts(stored, request, deps.rules),
          standing: event ? decideStanding(stored, event, actor) : stored,
          apiKey,
        };
      });
      return bankMessage(bank);
    },

    removeBank: async (request, ctx) => {
      await changeStanding(deps, request.id, "remove", checkOwn(ctx.principal, request.id));
      ctx.log.info({ bankId: request.id }, "bank removed");
      return { success: true };
    },

    pauseBank: async (request, ctx) => {
      const bank = await changeStanding(deps, request.id, "pause", "operator");
      ctx.log.info({ bankId: request.id }, "bank paused");
      return bankMessage(bank);
    },

    resumeBank: async (request, ctx) => {
      const bank = await changeStanding(deps, request.id, "resume", "operator");
      ctx.log.info({ bankId: request.id }, "bank resumed");
      return bankMessage(bank);
    },

    sendHeartbeat: async (request, ctx) => {
      checkOwn(ctx.principal, request.id);
      const known = await deps.probes.hasten(request.id, heartbeatSpacingMs);
      if (!known) throw new DomainError("BANK_NOT_FOUND");
      return { success: true };
    },
  };
}

async function changeStanding(deps: RegistryDeps, id: string, event: StandingEvent, actor: BankActor): Promise<Bank> {
  const { bank } = await deps.banks.save(id, (stored) => {
    if (!stored) throw new DomainError("BANK_NOT_FOUND");
    return { facts: stored, standing: decideStanding(stored, event, actor), apiKey: undefined };
  });
  return bank;
}

function actorOf(principal: Principal): BankActor {
  return principal.kind === "operator" ? "operator" : "bank";
}

/** A bank acts on its own row alone; whether another exists is not told by a different answer. */
function checkOwn(principal: Principal, id: string): BankActor {
  if (principal.kind === "bank" && principal.bankId !== id) throw new DomainError("BANK_OF_ANOTHER");
  return actorOf(principal);
}

/** The bank chose this key, so no length is asked of it; an empty one counts as absent. */
function checkedApiKey(deps: RegistryDeps, apiKey: string | undefined): string | undefined {
  if (apiKey === undefined || apiKey === "") return undefined;
  return checkChosenSecret(apiKey, { field: "apiKey", rules: deps.rules, isPublished: holdsDemoSecret, lengthMin: 1 });
}
