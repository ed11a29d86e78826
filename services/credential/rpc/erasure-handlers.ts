import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { principalOf } from "../../platform/rpc/principal.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Owner } from "../domain/connection.ts";
import { eraseUser } from "../flows/erase-user.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { callerOf, ownerOf, walletTenant } from "./request-parts.ts";

const oneself = "me";

/** Users' right to be forgotten. */
export function erasureHandlers({ deps }: HandlerParts): Pick<Handlers<typeof Credential>, "eraseUser"> {
  return {
    eraseUser: async (request, ctx) => {
      const owner = erasedBy(ctx, request);
      const { erasureId, counts, requestedAt, completedAt } = await eraseUser(deps, owner, callerOf(ctx));
      if (completedAt === undefined) ctx.setHttpStatus(202);
      return {
        erasureId,
        status: completedAt === undefined ? "running" : "completed",
        ...counts,
        requestedAt: timestampFromDate(requestedAt),
        completedAt: completedAt && timestampFromDate(completedAt),
      };
    },
  };
}

/** Whose everything is to go. Throws `PERMISSION_DENIED` for a person who names another. */
function erasedBy(ctx: CallContext, request: { readonly tenant: string; readonly userId: string }): Owner {
  const person = principalOf(ctx.principal, "mobile_user");
  if (person === undefined) return ownerOf({ tenant: request.tenant || walletTenant, userId: request.userId });
  const isHimself = request.userId === person.userId || request.userId === oneself;
  if (!isHimself || (request.tenant !== "" && request.tenant !== walletTenant))
    throw new DomainError("PERMISSION_DENIED");
  return ownerOf({ tenant: walletTenant, userId: person.userId });
}
