import {
  type Binding,
  type Contract,
  type ContractMethod,
  type HttpVerb,
  queryFields,
} from "../../deploy/envoy/contract.ts";
import { queryBesideBody } from "../../deploy/envoy/transcoder.ts";
import { Audience, Idempotency } from "../../gen/es/paymesh/policy/v1/policy_pb.js";
import { type ContractComments, readComments } from "./comments.ts";
import { isRequired, openSchemaBook, type Schema, type SchemaBook } from "./schemas.ts";

const securitySchemes: Schema = {
  mobileToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "Access token of a phone's user" },
  webSession: { type: "apiKey", in: "cookie", name: "wsim.sid", description: "Session of a browser at the wallet" },
  merchantKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "Key of a merchant" },
  bankKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "Registration key of a bank" },
  operatorKey: { type: "apiKey", in: "header", name: "X-Admin-Key", description: "Key of an operator" },
};

const errorSchema: Schema = {
  type: "object",
  description: "What every failure answers. A route may add members of its own beside these.",
  required: ["error", "message", "code", "details"],
  properties: {
    error: { type: "string", description: "A stable word to decide by." },
    message: { type: "string", description: "Text for people; may change." },
    code: { type: "integer", description: "The gRPC status code." },
    details: { type: "array", items: {} },
  },
  additionalProperties: true,
};

/**
 * The REST surface as an OpenAPI 3.1 document: every binding of every outer method. Needs a contract read from descriptors
 * with source information, of which descriptions are made. Deterministic.
 */
export function renderOpenapi(contract: Contract): Schema {
  const comments = readComments(contract.registry);
  const book = openSchemaBook(comments);
  const paths: Record<string, Record<string, Schema>> = {};
  for (const service of contract.services) {
    for (const method of service.methods) {
      for (const [index, binding] of method.bindings.entries()) {
        const path = jsonPath(method, binding);
        const entry = paths[path] ?? {};
        const verb = lowerVerb(binding.verb);
        if (entry[verb] !== undefined) throw new Error(`${binding.verb} ${path} is bound twice`);
        entry[verb] = renderOperation({ method, binding, index, comments, book });
        paths[path] = entry;
      }
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "paymesh",
      version: "v1",
      description: "Joins banks, wallets and merchants. Amounts are decimal major units; timestamps are ISO 8601 UTC.",
    },
    servers: [{ url: "/" }],
    tags: contract.services.map((service) => ({ name: service.descriptor.name })),
    paths: sortByKey(paths),
    components: {
      securitySchemes,
      schemas: sortByKey({ ...book.schemas, Error: errorSchema }),
      responses: {
        Error: {
          description: "The request failed",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
    },
  };
}

interface OperationInput {
  readonly method: ContractMethod;
  readonly binding: Binding;
  readonly index: number;
  readonly comments: ContractComments;
  readonly book: SchemaBook;
}

function renderOperation({ method, binding, index, comments, book }: OperationInput): Schema {
  const description = comments.ofMethod(method.descriptor);
  const name = `${method.service.descriptor.name}_${method.descriptor.name}`;
  const parameters = renderParameters(method, binding, comments, book);
  return {
    operationId: index === 0 ? name : `${name}_${index + 1}`,
    tags: [method.service.descriptor.name],
    ...(description === "" ? {} : { description }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(binding.hasBody ? { requestBody: renderBody(method, binding, book) } : {}),
    responses: {
      "2XX": {
        description: "Done",
        content: { "application/json": { schema: book.refer(method.descriptor.output, "response") } },
      },
      default: { $ref: "#/components/responses/Error" },
    },
    security: renderSecurity(method),
    "x-timeout-ms": method.policy.timeoutMs,
  };
}

function renderParameters(
  method: ContractMethod,
  binding: Binding,
  comments: ContractComments,
  book: SchemaBook,
): Schema[] {
  const { fields } = method.descriptor.input;
  const besideBody = queryBesideBody[binding.path] ?? [];
  const inQuery = binding.hasBody
    ? fields.filter((field) => besideBody.includes(field.jsonName))
    : queryFields(method, binding).filter((field) => !isIgnoredInQuery(method, field.name));
  const inPath = fields.filter((field) => binding.pathVariables.includes(field.name));
  const describe = (field: (typeof fields)[number], place: "path" | "query"): Schema => {
    const comment = comments.ofField(field);
    return {
      name: field.jsonName,
      in: place,
      required: place === "path" || isRequired(field),
      ...(comment === "" ? {} : { description: comment }),
      schema: book.ofField(field, "request"),
    };
  };
  const idempotencyKey = {
    name: "Idempotency-Key",
    in: "header",
    required: false,
    description: "A repeat with the same key and body gets the first answer.",
    schema: { type: "string", maxLength: 255 },
  };
  return [
    ...inPath.map((field) => describe(field, "path")),
    ...inQuery.map((field) => describe(field, "query")),
    ...(method.policy.idempotency === Idempotency.KEYED ? [idempotencyKey] : []),
  ];
}

/** A path variable of a sibling binding is never read from the query string. */
function isIgnoredInQuery(method: ContractMethod, fieldName: string): boolean {
  return method.bindings.some((other) => !other.hasBody && other.pathVariables.includes(fieldName));
}

function renderBody(method: ContractMethod, binding: Binding, book: SchemaBook): Schema {
  const { input } = method.descriptor;
  const schema =
    binding.pathVariables.length === 0
      ? book.refer(input, "request")
      : book.describe(input, "request", binding.pathVariables);
  const isNeeded = input.fields.some((field) => isRequired(field) && !binding.pathVariables.includes(field.name));
  return { required: isNeeded, content: { "application/json": { schema } } };
}

function renderSecurity(method: ContractMethod): Schema[] {
  return method.policy.audiences.flatMap((audience): Schema[] => {
    switch (audience) {
      case Audience.PUBLIC:
        return [{}];
      case Audience.MOBILE_USER:
        return [{ mobileToken: [] }];
      case Audience.WEB_USER:
        return [{ webSession: [] }];
      case Audience.MERCHANT:
        return [{ merchantKey: [] }];
      case Audience.BANK:
        return [{ bankKey: [] }];
      case Audience.OPERATOR:
        return [{ operatorKey: [] }];
      default:
        return []; // other services do not come through the gateway
    }
  });
}

/** Path variables under their JSON names: `/keys/{keyId}`. */
function jsonPath(method: ContractMethod, binding: Binding): string {
  return binding.path.replace(/\{([^}]*)\}/g, (_, variable: string) => {
    const field = method.descriptor.input.fields.find((each) => each.name === variable);
    if (field === undefined) throw new Error(`${method.rpcPath}: {${variable}} is no field of its request`);
    return `{${field.jsonName}}`;
  });
}

function lowerVerb(verb: HttpVerb): string {
  return verb.toLowerCase();
}

function sortByKey<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
