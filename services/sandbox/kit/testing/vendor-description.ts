import { existsSync, readFileSync } from "node:fs";
import { Ajv, type AnySchema, type ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { parse } from "yaml";

/** A vendor's OpenAPI file: in `PAYMESH_VENDOR_DIR`, or in `shared/vendor` beside the checkout; undefined when it is absent. */
export function findVendorFile(name: string): URL | undefined {
  const folder = process.env["PAYMESH_VENDOR_DIR"];
  const beside = new URL(`../../../../../shared/vendor/${name}`, import.meta.url);
  const file = folder === undefined ? beside : new URL(`file://${folder}/${name}`);
  return existsSync(file) ? file : undefined;
}

/** An answer of an endpoint. `path` as the vendor writes it: `/customers/{customerId}`. */
export interface VendorAnswer {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** As text; empty when there was none. */
  readonly body: string;
}

/** The vendor's description of the API, read piece by piece: the whole file is too long to parse in a test. */
export interface VendorDescription {
  /** What is wrong with an answer; undefined when nothing is. */
  problemOfAnswer(answer: VendorAnswer): string | undefined;
  /** What is wrong with a value of a named schema. */
  problemOf(schema: string, value: unknown): string | undefined;
}

/** How a description is read. */
export interface VendorOptions {
  /** Of refusals with a status the endpoint's description leaves out. */
  readonly errorSchema: string;
  /** Schemas by name in which the description contradicts itself, as they are meant. */
  readonly corrected?: Readonly<Record<string, object>>;
}

/** Opens a description. */
export function openVendorDescription(file: URL, options: VendorOptions): VendorDescription {
  const blocks = readBlocks(readFileSync(file, "utf8"));
  const ajv = createAjv();
  const compiled = new Map<string, ValidateFunction>();
  const added = new Set<string>();
  const load = (name: string): void => {
    if (added.has(name)) return;
    added.add(name);
    const schema = options.corrected?.[name] ?? blocks.component("schemas", name);
    if (schema === undefined) throw new Error(`no schema ${name}`);
    const found: string[] = [];
    // A named schema is an object, and stays one.
    ajv.addSchema(toJsonSchema(schema, found) as AnySchema, name);
    for (const each of found) load(each);
  };
  const check = (schema: object, value: unknown): string | undefined => {
    const key = JSON.stringify(schema);
    const found: string[] = [];
    const translated = toJsonSchema(schema, found) as AnySchema; // from an object
    for (const each of found) load(each);
    const validate = compiled.get(key) ?? ajv.compile(translated);
    compiled.set(key, validate);
    return validate(value) ? undefined : ajv.errorsText(validate.errors, { separator: "\n" });
  };
  const named = (name: string) => ({ $ref: `#/components/schemas/${name}` });
  return {
    problemOf: (name, value) => check(named(name), value),
    problemOfAnswer({ method, path, status, body }) {
      const response = blocks.response(method, path, status);
      if (response === undefined && status < 400) return `the vendor knows no answer ${status} of ${method} ${path}`;
      const schema: object | undefined =
        response === undefined ? named(options.errorSchema) : response.content?.["application/json"]?.schema;
      if (schema === undefined) return body === "" ? undefined : "the vendor knows no body of this answer";
      return check(schema, JSON.parse(body));
    },
  };
}

interface Response {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

interface Blocks {
  component(section: string, name: string): object | undefined;
  response(method: string, path: string, status: number): Response | undefined;
}

function readBlocks(text: string): Blocks {
  const top = blocksOf(text, /^([a-z]+):$/gm);
  const paths = blocksOf(top.get("paths") ?? "", /^ {2}'?(\/[^:'\n]+)'?:$/gm);
  const sections = blocksOf(top.get("components") ?? "", /^ {2}([A-Za-z]+):$/gm);
  const entries = new Map<string, ReadonlyMap<string, string>>();
  for (const [section, source] of sections) entries.set(section, blocksOf(source, /^ {4}([A-Za-z0-9_]+):$/gm));
  const component = (section: string, name: string) => {
    const source = entries.get(section)?.get(name);
    return source === undefined ? undefined : parse(source)[name];
  };
  return {
    component,
    response(method, path, status) {
      const source = paths.get(path);
      const response = source && parse(source)[path]?.[method.toLowerCase()]?.responses?.[String(status)];
      const reference: unknown = response?.$ref;
      return typeof reference === "string" ? component("responses", nameIn(reference)) : response;
    },
  };
}

function blocksOf(text: string, heading: RegExp): ReadonlyMap<string, string> {
  const heads = [...text.matchAll(heading)];
  return new Map(
    heads.map((head, index) => [head[1] ?? "", text.slice(head.index, heads[index + 1]?.index ?? text.length)]),
  );
}

function createAjv(): Ajv {
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  // The package's own takes no address of this machine for a URL.
  ajv.addFormat("url", (text) => URL.canParse(text));
  return ajv;
}

function nameIn(reference: string): string {
  return reference.split("/").at(-1) ?? "";
}

const notes = ["nullable", "example", "examples", "exclusiveMinimum", "exclusiveMaximum", "discriminator"];

/** OpenAPI 3.0 to JSON Schema: `nullable` becomes a choice, boolean bounds and notes go, references become names. */
function toJsonSchema(value: unknown, found: string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => toJsonSchema(each, found));
  if (typeof value !== "object" || value === null) return value;
  const schema: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (key === "$ref" && typeof member === "string") {
      found.push(nameIn(member));
      schema[key] = nameIn(member);
    } else if (key === "properties" && typeof member === "object" && member !== null) {
      // Names here are the API's, and may be called like a keyword.
      const members = Object.entries(member).map(([name, each]) => [name, toJsonSchema(each, found)]);
      schema[key] = Object.fromEntries(members);
    } else if (!notes.includes(key)) {
      schema[key] = ["enum", "required", "default"].includes(key) ? member : toJsonSchema(member, found);
    }
  }
  const nullable = "nullable" in value && value.nullable === true;
  return nullable ? { anyOf: [{ type: "null" }, schema] } : schema;
}
