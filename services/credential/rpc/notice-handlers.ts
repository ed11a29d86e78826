import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { acknowledgeNotices, takeNotices } from "../storage/notice-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";

const noticesMax = 100;

/** What owners are told of their connections. */
export function noticeHandlers({
  deps,
}: HandlerParts): Pick<Handlers<typeof Credential>, "takeOwnerNotices" | "acknowledgeOwnerNotices"> {
  const db = deps.storage.db.query;
  return {
    takeOwnerNotices: async (request) => {
      const notices = await takeNotices(db, request.tenant, noticesMax);
      return {
        notices: notices.map((notice) => ({ ...notice, createdAt: timestampFromDate(notice.createdAt) })),
      };
    },
    acknowledgeOwnerNotices: async ({ tenant, noticeIds }) => {
      if (noticeIds.length > noticesMax || !noticeIds.every(isUuid)) {
        throw new DomainError("INVALID_ARGUMENT", { why: `At most ${noticesMax} notice ids` });
      }
      await acknowledgeNotices(db, tenant, noticeIds);
      return {};
    },
  };
}
