import { type DescMessage, getOption, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { FieldBehavior, field_behavior } from "../../../gen/es/google/api/field_behavior_pb.js";
import { DomainError } from "../errors/domain-error.ts";

/** Checks one request; throws `REQUIRED_FIELDS_MISSING` with `required` (all of the message) and `missing`, JSON names. */
export type RequiredFieldsCheck = (request: Message) => void;

/** Builds the check of a message from `google.api.field_behavior = REQUIRED`; a blank string counts as missing. */
export function requiredFieldsCheck(schema: DescMessage): RequiredFieldsCheck {
  const required = schema.fields.filter((field) => getOption(field, field_behavior).includes(FieldBehavior.REQUIRED));
  if (required.length === 0) return () => {};
  const requiredNames = required.map((field) => field.jsonName);
  return (request) => {
    const message = reflect(schema, request);
    const missing = required.filter((field) => {
      if (!message.isSet(field)) return true;
      const value = message.get(field);
      return typeof value === "string" && value.trim() === "";
    });
    if (missing.length === 0) return;
    throw new DomainError("REQUIRED_FIELDS_MISSING", {
      required: requiredNames,
      missing: missing.map((field) => field.jsonName),
    });
  };
}
