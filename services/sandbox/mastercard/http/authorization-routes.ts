import type { FastifyInstance, FastifyRequest } from "fastify";
import { numeric } from "../account-desk.ts";
import { finicityError } from "../domain/finicity-error.ts";
import type { ApiDeps } from "./api-deps.ts";
import { idOf } from "./read-request.ts";

/** From when to when a login is authorized. Throws 3003 for one that is not OAuth and 3004 for one that is unknown. */
export function addAuthorizationRoutes(scope: FastifyInstance, deps: Pick<ApiDeps, "logins">): void {
  scope.get(
    "/customers/institution-logins/:loginId/authorization-details",
    async (request: FastifyRequest<{ Params: { loginId: string } }>) => {
      const login = await deps.logins.find(idOf(request.params.loginId) ?? 0n);
      if (login === undefined) throw finicityError("3004");
      if (login.authorizationEndsAt === null) throw finicityError("3003");
      return {
        institutionLoginId: numeric(login.loginId),
        authorizationStartDate: login.authorizedAt.toISOString(),
        authorizationEndDate: login.authorizationEndsAt.toISOString(),
      };
    },
  );
}
