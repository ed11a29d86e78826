import { existsSync, readFileSync } from "node:fs";
import { Ajv, type AnySchema, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { parse } from "yaml";

const folder = process.env["PAYMESH_VENDOR_DIR"];
const file =
  folder === undefined
    ? new URL("../../../../../shared/vendor/plaid-2020-09-14.yml", import.meta.url)
    : `${folder}/plaid-2020-09-14.yml`;

/** Whether the vendor's OpenAPI file is there: in `PAYMESH_VENDOR_DIR`, or in `shared/vendor` beside the checkout. */
export const vendorDescriptionPresent = existsSync(file);

/** The vendor's description of the API, read piece by piece: the whole file is too long to parse in a test. */
export interface VendorDescription {
  /** What is wrong with an answer of an endpoint; undefined when nothing is. */
  problemOfAnswer(path: string, status: number, body: unknown): string | undefined;
  /** What is wrong with a value of a named schema. */
  problemOf(schema: string, value: unknown): string | undefined;
}

/** Opens the description. */
export function openVendorDescription(): VendorDescription {
  const text = readFileSync(file, "utf8");
  const componentsAt = text.search(/^components:$/m);
  const paths = blocksOf(text.slice(0, componentsAt), /^ {2}(\/[^:\n]+):$/gm);
  const schemas = blocksOf(text.slice(componentsAt), /^ {4}([A-Za-z0-9_]+):$/gm);
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  // The package's own takes no address of this machine for a URL.
  ajv.addFormat("url", (text) => URL.canParse(text));
  const compiled = new Map<string, ValidateFunction>();
  const added = new Set<string>();
  const load = (name: string): void => {
    if (added.has(name)) return;
    added.add(name);
    const source = schemas.get(name);
    if (source === undefined) throw new Error(`no schema ${name}`);
    const found: string[] = [];
    // A named schema is an object, and stays one.
    ajv.addSchema(toJsonSchema(parse(source)[name], found) as AnySchema, name);
    for (const each of found) load(each);
  };
  const check = (schema: string, value: unknown) => {
    load(schema);
    const validate = compiled.get(schema) ?? ajv.compile({ $ref: schema });
    compiled.set(schema, validate);
    return validate(value) ? undefined : ajv.errorsText(validate.errors, { separator: "\n" });
  };
  return {
    problemOf: check,
    problemOfAnswer(path, status, body) {
      if (status >= 400) return check("PlaidError", body);
      const source = paths.get(path);
      if (source === undefined) return `the vendor knows no ${path}`;
      const response = parse(source)[path].post.responses[String(status)];
      const reference: unknown = response?.content?.["application/json"]?.schema?.$ref;
      if (typeof reference !== "string") return `the vendor knows no answer ${status} of ${path}`;
      return check(reference.split("/").at(-1) ?? "", body);
    },
  };
}

function blocksOf(text: string, heading: RegExp): Map<string, string> {
  const heads = [...text.matchAll(heading)];
  return new Map(
    heads.map((head, index) => [head[1] ?? "", text.slice(head.index, heads[index + 1]?.index ?? text.length)]),
  );
}

/** OpenAPI 3.0 to JSON Schema: `nullable` becomes a choice, boolean bounds and notes go, references become names. */
function toJsonSchema(value: unknown, found: string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => toJsonSchema(each, found));
  if (typeof value !== "object" || value === null) return value;
  const schema: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === "$ref" && typeof member === "string") {
      const name = member.split("/").at(-1) ?? "";
      found.push(name);
      schema[key] = name;
    } else if (key === "properties" && typeof member === "object" && member !== null) {
      // Names here are the API's, and may be called like a keyword.
      const members = Object.entries(member).map(([name, each]) => [name, toJsonSchema(each, found)]);
      schema[key] = Object.fromEntries(members);
    } else if (
      !["nullable", "example", "examples", "exclusiveMinimum", "exclusiveMaximum", "discriminator"].includes(key)
    ) {
      schema[key] = ["enum", "required", "default"].includes(key) ? member : toJsonSchema(member, found);
    }
  }
  const nullable = "nullable" in value && value.nullable === true;
  return nullable ? { anyOf: [{ type: "null" }, schema] } : schema;
}
