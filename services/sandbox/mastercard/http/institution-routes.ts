import type { FastifyInstance, FastifyRequest } from "fastify";
import { queryOf } from "../../kit/http/request-fields.ts";
import { numeric, seconds, usd } from "../account-desk.ts";
import { finicityError } from "../domain/finicity-error.ts";
import { findInstitution, type Institution, searchInstitutions } from "../domain/institutions.ts";
import type { ApiDeps } from "./api-deps.ts";
import { idOf, pageOf } from "./read-request.ts";

const limitMax = 1_000;

/** Which institutions there are. */
export function addInstitutionRoutes(scope: FastifyInstance, deps: Pick<ApiDeps, "moment">): void {
  scope.get("/institution/v2/institutions", async (request) => {
    const query = queryOf(request.query);
    const { start, limit } = pageOf(query, limitMax, 25);
    const found = searchInstitutions(query["search"] ?? "");
    // `start` is the number of a page.
    const shown = found.slice((start - 1) * limit, start * limit);
    const { now } = await deps.moment();
    return {
      found: found.length,
      displaying: shown.length,
      moreAvailable: start * limit < found.length,
      createdDate: seconds(now),
      institutions: shown.map(institutionJson),
    };
  });
  scope.get(
    "/institution/v2/institutions/:institutionId",
    async (request: FastifyRequest<{ Params: { institutionId: string } }>) => {
      const institution = findInstitution(idOf(request.params.institutionId) ?? 0n);
      if (institution === undefined) throw finicityError("14001");
      return { institution: institutionJson(institution) };
    },
  );
}

function institutionJson(institution: Institution) {
  return {
    id: numeric(institution.id),
    name: institution.name,
    transAgg: true,
    ach: true,
    stateAgg: false,
    voi: false,
    voa: false,
    aha: true,
    availBalance: true,
    accountOwner: false,
    accountTypeDescription: "Banking",
    urlHomeApp: institution.url,
    urlLogonApp: `${institution.url}/login`,
    oauthEnabled: institution.oauth,
    currency: usd,
    status: "online",
    branding: { primaryColor: institution.color },
  };
}
