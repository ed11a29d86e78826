import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { FieldBehavior, field_behavior } from "../../gen/es/google/api/field_behavior_pb.js";
import type { ContractComments } from "./comments.ts";

/** A JSON Schema 2020-12 object, as OpenAPI 3.1 uses it. */
export type Schema = Record<string, unknown>;

/** Whether a message is read from clients or written to them; what is "required" differs. */
export type Direction = "request" | "response";

/** Collects the schemas that operations refer to. */
export interface SchemaBook {
  /** `#/components/schemas/…` members, by name. */
  readonly schemas: Record<string, Schema>;
  refer(message: DescMessage, direction: Direction): Schema;
  /** The message written out, without the named fields. For bodies whose other members stand in the path. */
  describe(message: DescMessage, direction: Direction, without: readonly string[]): Schema;
  ofField(field: DescField, direction: Direction): Schema;
}

/** True for a field marked `(google.api.field_behavior) = REQUIRED`. */
export function isRequired(field: DescField): boolean {
  return hasOption(field, field_behavior) && getOption(field, field_behavior).includes(FieldBehavior.REQUIRED);
}

/** An empty book whose descriptions come from the contract's comments. */
export function openSchemaBook(comments: ContractComments): SchemaBook {
  const schemas: Record<string, Schema> = {};
  const book: SchemaBook = {
    schemas,
    refer(message, direction) {
      const name = schemaName(message);
      if (schemas[name] === undefined) {
        schemas[name] = {}; // taken first, for a message that contains itself
        schemas[name] = book.describe(message, direction, []);
      }
      return { $ref: `#/components/schemas/${name}` };
    },
    describe(message, direction, without) {
      const fields = message.fields.filter((field) => !without.includes(field.name));
      const required = fields.filter((field) => isAlwaysThere(field, direction)).map((field) => field.jsonName);
      return {
        type: "object",
        ...text(comments.ofMessage(message)),
        properties: Object.fromEntries(
          fields.map((field) => [
            field.jsonName,
            { ...book.ofField(field, direction), ...text(comments.ofField(field)) },
          ]),
        ),
        ...(required.length > 0 ? { required } : {}),
      };
    },
    ofField: (field, direction) => fieldSchema(book, field, direction),
  };
  return book;
}

/** `paymesh.wallet.v1.Card` is `Wallet.Card`: short, and different from the Credential's. */
function schemaName(message: DescMessage): string {
  const [, area = "", , ...rest] = message.typeName.split(".");
  return [area.charAt(0).toUpperCase() + area.slice(1), ...rest].join(".");
}

/** Answers print every member that is not `optional`, zeros and empty lists included; messages may be unset. */
function isAlwaysThere(field: DescField, direction: Direction): boolean {
  if (direction === "request") return isRequired(field);
  if (field.oneof !== undefined || field.proto.proto3Optional) return false;
  return field.fieldKind !== "message";
}

function text(comment: string): Schema {
  return comment === "" ? {} : { description: comment };
}

function fieldSchema(book: SchemaBook, field: DescField, direction: Direction): Schema {
  switch (field.fieldKind) {
    case "scalar":
      return scalarSchema(field.scalar);
    case "enum":
      return enumSchema(field.enum);
    case "message":
      return messageSchema(book, field.message, direction);
    case "list":
      return { type: "array", items: itemSchema(book, field, direction) };
    case "map":
      return { type: "object", additionalProperties: itemSchema(book, field, direction) };
    default: {
      const impossible: never = field;
      throw new Error(`unreachable field ${String(impossible)}`);
    }
  }
}

function itemSchema(book: SchemaBook, field: DescField & { fieldKind: "list" | "map" }, direction: Direction): Schema {
  if (field.message !== undefined) return messageSchema(book, field.message, direction);
  if (field.enum !== undefined) return enumSchema(field.enum);
  return scalarSchema(field.scalar);
}

function messageSchema(book: SchemaBook, message: DescMessage, direction: Direction): Schema {
  switch (message.typeName) {
    case "google.protobuf.Timestamp":
      return { type: "string", format: "date-time" };
    case "google.protobuf.Struct":
      return { type: "object", additionalProperties: true };
    case "google.protobuf.ListValue":
      return { type: "array", items: {} };
    case "google.protobuf.Value":
      return {};
    case "google.api.HttpBody":
      return {};
    default:
      return book.refer(message, direction);
  }
}

function enumSchema(descriptor: DescEnum): Schema {
  if (descriptor.typeName === "google.protobuf.NullValue") return { type: "null" };
  return { type: "string", enum: descriptor.values.map((value) => value.name) };
}

function scalarSchema(scalar: ScalarType): Schema {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", format: "int32" };
    default:
      // 64-bit integers are text in JSON: a double would lose digits.
      return { type: "string", format: "int64" };
  }
}
