import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { findInstitution, type Institution, institutionProducts, institutions } from "../domain/institutions.ts";
import { plaidError } from "../domain/plaid-error.ts";
import type { ApiDeps } from "./api-deps.ts";
import { readRequest } from "./read-request.ts";
import { institutionJson } from "./wire.ts";

const countMax = 500;
const searchResultsMax = 10;
const countryCodes = z.array(z.string().length(2)).min(1).max(30);
const listOf = z.array(z.string().max(60)).max(60);
const options = optional(
  z.object({
    include_optional_metadata: optional(z.boolean()),
    products: optional(listOf),
    oauth: optional(z.boolean()),
  }),
);

/** Which institutions there are. */
export function addInstitutionRoutes(app: FastifyInstance, deps: Pick<ApiDeps, "keys">): void {
  app.post("/institutions/get", async (request) => {
    const shape = z.object({
      count: z.number().int().min(1).max(countMax),
      offset: z.number().int().min(0),
      country_codes: countryCodes,
      options,
    });
    const body = readRequest(shape, request.body);
    const found = select({
      countries: body.country_codes,
      products: body.options?.products,
      oauth: body.options?.oauth,
    });
    const detailed = body.options?.include_optional_metadata ?? false;
    return {
      institutions: found.slice(body.offset, body.offset + body.count).map((each) => institutionJson(each, detailed)),
      total: found.length,
      request_id: request.id,
    };
  });
  app.post("/institutions/get_by_id", async (request) => {
    const shape = z.object({ institution_id: z.string().min(1).max(64), country_codes: countryCodes, options });
    const body = readRequest(shape, request.body);
    const found = findInstitution(body.institution_id);
    if (found === undefined || !found.countryCodes.some((code) => body.country_codes.includes(code))) {
      throw plaidError("INVALID_INSTITUTION");
    }
    const detailed = body.options?.include_optional_metadata ?? false;
    return { institution: institutionJson(found, detailed), request_id: request.id };
  });
  app.post("/institutions/search", async (request) => {
    const shape = z.object({
      query: z.string().min(1).max(200),
      country_codes: countryCodes,
      products: optional(listOf),
      options,
    });
    const body = readRequest(shape, request.body);
    const words = body.query.toLowerCase();
    const found = select({ countries: body.country_codes, products: body.products, oauth: body.options?.oauth }).filter(
      (each) => each.name.toLowerCase().includes(words),
    );
    const detailed = body.options?.include_optional_metadata ?? false;
    return {
      institutions: found.slice(0, searchResultsMax).map((each) => institutionJson(each, detailed)),
      request_id: request.id,
    };
  });
  app.post("/webhook_verification_key/get", async (request) => {
    const { key_id } = readRequest(z.object({ key_id: z.string().max(100) }), request.body);
    const key = (await deps.keys.published()).find((each) => each.kid === key_id);
    if (key === undefined) throw plaidError("INVALID_WEBHOOK_VERIFICATION_KEY_ID");
    const seconds = (time: Date) => Math.floor(time.getTime() / 1000);
    return {
      key: {
        ...key.publicKey,
        alg: "ES256",
        kid: key.kid,
        use: "sig",
        created_at: seconds(key.createdAt),
        expired_at: key.retiredAt === null ? null : seconds(key.retiredAt),
      },
      request_id: request.id,
    };
  });
}

function select(wanted: {
  countries: readonly string[];
  products: readonly string[] | undefined;
  oauth: boolean | undefined;
}): readonly Institution[] {
  return institutions.filter(
    (each) =>
      each.countryCodes.some((code) => wanted.countries.includes(code)) &&
      (wanted.products ?? []).every((product) => institutionProducts.includes(product)) &&
      (wanted.oauth === undefined || each.oauth === wanted.oauth),
  );
}
