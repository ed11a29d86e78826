import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendRefusal } from "../../kit/http/fault-hooks.ts";
import { headerOf, queryOf } from "../../kit/http/request-fields.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import { type Approvals, approvalHeader, signatureHeader } from "../approvals.ts";
import type { DataDesk } from "../data-desk.ts";
import type { Settings } from "../domain/settings.ts";
import { requestError } from "../domain/wise-error.ts";
import type { TokenDesk } from "../token-desk.ts";
import { grantOf } from "./bearer.ts";

/** What the data routes need. */
export interface DataRoutesDeps {
  readonly desk: TokenDesk;
  readonly data: DataDesk;
  readonly approvalDesk: Approvals;
  readonly moment: ReadMoment<Settings>;
}

type ProfileRequest = FastifyRequest<{ Params: { profileId: string } }>;
type BalanceRequest = FastifyRequest<{ Params: { profileId: string; balanceId: string } }>;

/** Profiles, balances, statements and transfers of whoever granted the token. */
export function addDataRoutes(scope: FastifyInstance, deps: DataRoutesDeps): void {
  const { desk, data, moment } = deps;
  scope.get("/v2/profiles", async (request) => data.profiles(await grantOf(desk, request)));
  scope.get("/v2/profiles/:profileId", async (request: ProfileRequest) =>
    data.profile(await grantOf(desk, request), request.params.profileId),
  );
  scope.get("/v4/profiles/:profileId/balances", async (request: ProfileRequest) =>
    data.balances(await grantOf(desk, request), request.params.profileId, queryOf(request.query), await moment()),
  );
  scope.get("/v4/profiles/:profileId/balances/:balanceId", async (request: BalanceRequest) =>
    data.balance(await grantOf(desk, request), request.params, await moment()),
  );
  scope.get("/v1/profiles/:profileId/balance-statements/:balanceId/statement.json", (request: BalanceRequest, reply) =>
    statement(deps, request, reply),
  );
  scope.get("/v1/transfers", async (request) =>
    data.transfers(await grantOf(desk, request), queryOf(request.query), await moment()),
  );
  scope.all("/v:version/*", async () => {
    throw requestError(404, "NOT_FOUND", "There is no such resource", "");
  });
}

async function statement(deps: DataRoutesDeps, request: BalanceRequest, reply: FastifyReply): Promise<unknown> {
  const grant = await grantOf(deps.desk, request);
  const asked = deps.data.statement(grant, request.params, queryOf(request.query));
  const moment = await deps.moment();
  const proof = { token: headerOf(request, approvalHeader), signature: headerOf(request, signatureHeader) };
  const result = await deps.approvalDesk.check({ grant, person: deps.data.person(grant) }, proof, moment);
  if (result.kind === "rejected") {
    reply.headers({ [approvalHeader]: result.token, "x-2fa-approval-result": "REJECTED" });
    const body = {
      timestamp: moment.now.toISOString(),
      status: 403,
      error: "Forbidden",
      message: "You are forbidden to send this request",
      path: request.url.split("?", 1)[0],
    };
    return sendRefusal(request, reply, { status: 403, code: "sca_required", body });
  }
  if (result.kind === "approved") reply.header("x-2fa-approval-result", "APPROVED");
  return await asked.read(moment);
}
