import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import { observeEnrolments } from "../flows/observe-connections.ts";
import { removeEnrolment } from "../flows/remove-enrolment.ts";
import { startEnrolment } from "../flows/start-enrolment.ts";
import { startWebEnrolment } from "../flows/start-web-enrolment.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { readWebSession } from "../flows/web-session.ts";
import { type EnrolmentWithCount, listLiveEnrolments } from "../storage/enrolments-store.ts";
import { outgoing, phoneOf, refuseOtherSites, userIdOf } from "./callers.ts";
import { optionalField } from "./optional-field.ts";

type EnrolmentHandlers = Pick<
  Handlers<typeof Wallet>,
  | "listMobileBanks"
  | "startEnrollment"
  | "startWebEnrollment"
  | "listEnrollments"
  | "listEnrollmentsOnWeb"
  | "listWebEnrollments"
  | "removeEnrollment"
  | "removeEnrollmentOnWeb"
>;

/** Banks entering and leaving a wallet. */
export function enrolmentHandlers(deps: WalletDeps): EnrolmentHandlers {
  const remove = async ({ enrollmentId }: { readonly enrollmentId: string }, ctx: CallContext) => {
    const by = { userId: userIdOf(ctx), enrolmentId: enrollmentId };
    const { deletedCards } = await removeEnrolment(deps, by, outgoing(ctx));
    return { success: true, deletedCards };
  };
  return {
    listMobileBanks: async () => ({
      banks: deps.directory.enrollableBanks().map(({ bsimId, name, logoUrl }) => ({
        bsimId,
        name,
        ...optionalField("logoUrl", logoUrl),
      })),
    }),
    startEnrollment: async ({ bsimId }, ctx) => {
      const { userId, deviceId } = phoneOf(ctx);
      const begun = await startEnrolment(deps, { via: "mobile", userId, deviceId, bsimId }, outgoing(ctx));
      return {
        authUrl: begun.authUrl,
        state: begun.state,
        enrollmentId: begun.enrolmentId,
        bsimId,
        bankName: begun.bankName,
        callbackUrlPattern: begun.redirectUri,
      };
    },
    startWebEnrollment: async ({ bsimId, password }, ctx) => {
      refuseOtherSites(ctx);
      const session = await readWebSession(deps, ctx.header("cookie"));
      const begun = await startWebEnrolment(deps, { bsimId, session, password }, outgoing(ctx));
      if (begun.cookie !== undefined) ctx.setHeader("set-cookie", begun.cookie);
      return { authUrl: begun.authUrl, bsimId, bankName: begun.bankName };
    },
    listEnrollments: async (_request, ctx) => {
      const enrolments = await observeEnrolments(deps, userIdOf(ctx), outgoing(ctx));
      return { enrollments: enrolments.map((one) => ({ ...enrolmentFields(deps, one), fiUserRef: one.fiUserRef })) };
    },
    listEnrollmentsOnWeb: async (_request, ctx) => {
      const enrolments = await observeEnrolments(deps, userIdOf(ctx), outgoing(ctx));
      return { enrollments: enrolments.map((one) => enrolmentFields(deps, one)) };
    },
    listWebEnrollments: async (_request, ctx) => {
      const enrolments = await listLiveEnrolments(deps.db.query, userIdOf(ctx));
      return {
        enrollments: enrolments.map((one) => ({
          id: one.enrolmentId,
          bsimId: one.bsimId,
          cardCount: one.cardCount,
          enrolledAt: one.enrolledAt.toISOString(),
        })),
      };
    },
    removeEnrollment: remove,
    removeEnrollmentOnWeb: remove,
  };
}

function enrolmentFields(deps: Pick<WalletDeps, "directory">, enrolment: EnrolmentWithCount) {
  return {
    id: enrolment.enrolmentId,
    bsimId: enrolment.bsimId,
    bankName: bankDisplayName(deps.directory, enrolment.bsimId),
    ...optionalField("logoUrl", deps.directory.bank(enrolment.bsimId)?.logoUrl),
    cardCount: enrolment.cardCount,
    enrolledAt: enrolment.enrolledAt.toISOString(),
    ...optionalField("credentialExpiry", enrolment.credentialExpiresAt?.toISOString()),
    reauthRequired: enrolment.state === "reauth_required",
  };
}
