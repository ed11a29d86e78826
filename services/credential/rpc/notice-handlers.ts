import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { acknowledgeNotices, type OwnerNotice, takeNotices } from "../storage/notice-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { firmOf } from "./request-parts.ts";

const noticesMax = 100;

type NoticeHandlers = Pick<
  Handlers<typeof Credential>,
  "takeOwnerNotices" | "acknowledgeOwnerNotices" | "takeClientNotices" | "acknowledgeClientNotices"
>;

/** What owners are told of their connections: by the wallet its people, by a firm its clients. */
export function noticeHandlers({ deps }: HandlerParts): NoticeHandlers {
  const db = deps.storage.db.query;
  const acknowledge = async (tenant: string, noticeIds: readonly string[]) => {
    if (noticeIds.length > noticesMax || !noticeIds.every(isUuid)) {
      throw new DomainError("INVALID_ARGUMENT", { why: `At most ${noticesMax} notice ids` });
    }
    await acknowledgeNotices(db, tenant, noticeIds);
    return {};
  };
  return {
    takeOwnerNotices: async ({ tenant }) => {
      const notices = await takeNotices(db, tenant, noticesMax);
      return {
        notices: notices.map((notice) => ({
          ...noticeFields(notice),
          owner: notice.owner,
          connector: notice.connector,
          providerName: deps.connectors.get(notice.connector)?.displayName ?? notice.connector,
        })),
      };
    },
    acknowledgeOwnerNotices: ({ tenant, noticeIds }) => acknowledge(tenant, noticeIds),
    takeClientNotices: async (_request, ctx) => {
      const notices = await takeNotices(db, firmOf(ctx), noticesMax);
      return { notices: notices.map((notice) => ({ ...noticeFields(notice), clientId: notice.owner.userId })) };
    },
    acknowledgeClientNotices: ({ noticeIds }, ctx) => acknowledge(firmOf(ctx), noticeIds),
  };
}

function noticeFields(notice: OwnerNotice) {
  const { noticeId, connectionId, institutionId, institutionName, kind, reason, createdAt, consentEndsAt } = notice;
  return {
    noticeId,
    connectionId,
    institutionId,
    institutionName,
    kind,
    reason,
    createdAt: timestampFromDate(createdAt),
    ...(consentEndsAt && { consentEndsAt: timestampFromDate(consentEndsAt) }),
  };
}
