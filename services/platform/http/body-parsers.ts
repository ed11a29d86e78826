import type { FastifyInstance, FastifyRequest } from "fastify";
import { DomainError } from "../errors/domain-error.ts";

/** A form with more fields than this is no form of ours. */
const formFieldsMax = 500;

/** What a form post becomes: a name used several times (check boxes) is an array. Without a prototype, so no name is special. */
export type FormBody = Readonly<Record<string, string | string[]>>;

/** Parses `application/x-www-form-urlencoded` text. Throws `INVALID_ARGUMENT` past 500 fields. */
export function parseForm(text: string): FormBody {
  const fields: Record<string, string | string[]> = Object.create(null);
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (count > formFieldsMax) throw new DomainError("INVALID_ARGUMENT", { why: "The form has too many fields" });
    const present = fields[name];
    if (present === undefined) fields[name] = value;
    else if (Array.isArray(present)) present.push(value);
    else fields[name] = [present, value];
  }
  return fields;
}

/** The first value of a form field, trimmed of nothing; `undefined` when absent. */
export function formText(form: unknown, name: string): string | undefined {
  const value = formValues(form, name)[0];
  return value;
}

/** Every value of a form field, in order; empty when absent or when the body was no form. */
export function formValues(form: unknown, name: string): readonly string[] {
  if (typeof form !== "object" || form === null || !Object.hasOwn(form, name)) return [];
  const value: unknown = Reflect.get(form, name);
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === "string");
}

/**
 * JSON and form bodies. An empty JSON body is `{}`: clients send the content type without a body (capture, void, start).
 * Routes with `config: { rawBody: true }` also find the exact bytes in `request.rawBody`, for signatures.
 */
export function addBodyParsers(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.decorateRequest("rawBody", undefined);
  app.addContentTypeParser(
    ["application/json", "application/*+json"],
    { parseAs: "buffer" },
    (request: FastifyRequest, body: Buffer, done) => {
      keepRawBody(request, body);
      if (body.length === 0) done(null, {});
      else parseJson(request, body.toString("utf8"), done);
    },
  );
  app.addContentTypeParser(
    "application/x-www-form-urlencoded",
    { parseAs: "buffer" },
    (request: FastifyRequest, body: Buffer, done) => {
      keepRawBody(request, body);
      try {
        done(null, parseForm(body.toString("utf8")));
      } catch (error) {
        done(error instanceof Error ? error : new Error("form not readable", { cause: error }));
      }
    },
  );
}

function keepRawBody(request: FastifyRequest, body: Buffer): void {
  if (request.routeOptions.config.rawBody === true) request.rawBody = body;
}
