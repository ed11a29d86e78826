import { type ErrorTable, genericErrors } from "../../platform/errors/error-table.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";

/** Every reason the Registry answers with (contracts 2.16 and 4). */
export const registryErrors: ErrorTable = Object.freeze({
  ...genericErrors,
  BANK_ID_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "invalid_bank_id",
    message: "A bank id has 1 to 64 of a-z, 0-9 and -; bsimId and bankId must agree",
  },
  BANK_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "bank_not_found",
    message: "No bank with this id",
  },
  BANK_ID_TAKEN: {
    code: GrpcCode.ALREADY_EXISTS,
    http: 409,
    error: "conflict",
    message: "This id belongs to another bank",
  },
  BANK_OF_ANOTHER: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "forbidden",
    message: "This key was issued for another bank",
  },
  BANK_HELD: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "forbidden",
    message: "An operator holds this bank; only an operator makes it active again",
  },
  MERCHANT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "not_found",
    message: "No merchant with this id",
  },
  OAUTH_CLIENT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "not_found",
    message: "No OAuth client with this id",
  },
  KEY_NOT_FOUND: { code: GrpcCode.NOT_FOUND, http: 404, error: "not_found", message: "No such key" },
  KEY_TAKEN: {
    code: GrpcCode.ALREADY_EXISTS,
    http: 409,
    error: "conflict",
    message: "This value is or was in use; every key needs a value of its own",
  },
} satisfies ErrorTable);
