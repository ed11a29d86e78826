import { NullValue } from "@bufbuild/protobuf/wkt";
import type { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { analyzeToken, type JwtReport, jwtTypes, tokenPrefixes } from "../domain/analyze-token.ts";
import type { BankDirectory } from "../domain/bank-directory.ts";

type DiagnosticHandlers = Pick<Handlers<typeof Router>, "analyzeToken" | "listTokenTypes">;

/** `AnalyzeToken` and `ListTokenTypes`: what a token is and where it would go, never what is in it. */
export function diagnosticHandlers(directory: BankDirectory, clock: Clock): DiagnosticHandlers {
  return {
    analyzeToken: async (request) => {
      const now = clock.now();
      const report = analyzeToken(request.cardToken, directory, now);
      return {
        tokenPreview: report.preview,
        analysis: {
          isJwt: report.isJwt,
          jwtPayload: NullValue.NULL_VALUE,
          tokenType: report.tokenType,
          isWalletToken: report.isWalletToken,
          rawLength: report.length,
          ...(report.prefix === undefined ? {} : { prefix: report.prefix }),
          ...(report.bankId === undefined ? {} : { bsimId: report.bankId }),
        },
        warnings: [...report.warnings],
        ...(report.jwt === undefined ? {} : { jwtDetails: jwtDetails(report.jwt, now) }),
      };
    },
    listTokenTypes: async () => ({
      supportedPrefixes: [...tokenPrefixes],
      supportedJwtTypes: [...jwtTypes],
      notes: [
        "wsim_{bankId}_{uniqueId} routes a payment to a bank and authorizes nothing",
        "A card token without a bank id, and no wallet card token beside it, goes to the default bank",
        "Only the bank that issued a card token can check it",
      ],
    }),
  };
}

function jwtDetails(jwt: JwtReport, now: Date) {
  const secondsLeft = jwt.expiresAt && Math.floor((jwt.expiresAt.getTime() - now.getTime()) / 1_000);
  return {
    isExpired: secondsLeft !== undefined && secondsLeft <= 0,
    ...(jwt.expiresAt === undefined ? {} : { expiresAt: jwt.expiresAt.toISOString() }),
    ...(jwt.issuedAt === undefined ? {} : { issuedAt: jwt.issuedAt.toISOString() }),
    ...(jwt.issuer === undefined ? {} : { issuer: jwt.issuer }),
    ...(jwt.type === undefined ? {} : { type: jwt.type }),
    ...(secondsLeft === undefined ? {} : { secondsUntilExpiry: clampToInt32(secondsLeft) }),
  };
}

/** The member is a 32-bit integer; times centuries away are as good as for ever. */
function clampToInt32(seconds: number): number {
  return Math.max(-2_147_483_648, Math.min(2_147_483_647, seconds));
}
