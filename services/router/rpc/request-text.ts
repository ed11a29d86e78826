import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";

const idempotencyKeyLengthMax = 255;
const metadataLengthMax = 8_192;
const metadataDepthMax = 16;

/**
 * Checks a text of a request: at most `lengthMax` characters and no NUL, which PostgreSQL cannot store.
 * Throws `INVALID_ARGUMENT` naming the field.
 */
export function boundedText(name: string, text: string, lengthMax: number): string {
  if (text.length > lengthMax) throw invalid(`${name} is longer than ${lengthMax} characters`);
  if (text.includes("\0")) throw invalid(`${name} holds a NUL character`);
  return text;
}

/** As `boundedText`, for an optional field. */
export function optionalText(name: string, text: string | undefined, lengthMax: number): string | undefined {
  return text === undefined ? undefined : boundedText(name, text, lengthMax);
}

/** The request's Idempotency-Key, undefined when there is none. Throws `INVALID_ARGUMENT` for one that is too long. */
export function idempotencyKeyOf(ctx: CallContext): string | undefined {
  const key = ctx.header("idempotency-key")?.trim();
  if (key === undefined || key === "") return undefined;
  return boundedText("Idempotency-Key", key, idempotencyKeyLengthMax);
}

/**
 * A merchant's JSON object as text with sorted keys, so that the same object makes the same text whatever carried it.
 * Throws `INVALID_ARGUMENT` above 8 KiB.
 */
export function metadataText(metadata: JsonObject | undefined): string | undefined {
  if (metadata === undefined) return undefined;
  const text = JSON.stringify(sorted(metadata, 0));
  if (text.length > metadataLengthMax) throw invalid(`metadata is longer than ${metadataLengthMax} characters`);
  return text;
}

function sorted(value: JsonValue, depth: number): JsonValue {
  if (depth > metadataDepthMax) throw invalid(`metadata is nested deeper than ${metadataDepthMax} levels`);
  if (Array.isArray(value)) return value.map((entry) => sorted(entry, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name] ?? null, depth + 1)]));
}

function invalid(why: string): DomainError {
  return new DomainError("INVALID_ARGUMENT", { why });
}

/** Of ids a list is narrowed by; stored ones are no longer. */
const idLengthMax = 255;

/** What a list is narrowed by; empty is undefined: not narrowed. Throws `INVALID_ARGUMENT` for what no stored id can be. */
export function filterOf(name: string, text: string): string | undefined {
  return text === "" ? undefined : boundedText(name, text, idLengthMax);
}
