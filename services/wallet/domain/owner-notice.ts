/** How any connection of a person stands, of a bank or a data provider. */
export interface ConnectionStanding {
  readonly connectionId: string;
  /** `ACTIVE`, `EXPIRED`, `REVOKED` or `ERROR`. */
  readonly state: string;
  /** Undefined where nobody knows. */
  readonly consentEndsAt: Date | undefined;
}

/** Something a person is told of a connection. */
export interface Notice {
  readonly noticeId: string;
  readonly connectionId: string;
  readonly connector: string;
  /** The bank or service, as people know it. */
  readonly place: string;
  /** A word of the contract of whoever holds the connection. */
  readonly kind: string;
  readonly consentEndsAt: Date | undefined;
}

/** A notice in words: what has happened, and what can be done. */
export interface NoticeInWords {
  readonly title: string;
  readonly detail: string;
  /** Whether the person can do something about it. */
  readonly needsPerson: boolean;
}

const placeLengthMax = 80;

/** A name that others gave, fit for a line of a mail: without control characters, and short. */
export function placeName(text: string): string {
  const line = text
    .replace(/\p{C}+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  return characters.length <= placeLengthMax
    ? line
    : `${characters
        .slice(0, placeLengthMax - 1)
        .join("")
        .trim()}…`;
}

/** Whether the connection belongs to the wallet's own page; those of data providers have pages of their own. */
export function isOfBank({ connector }: Pick<Notice, "connector">): boolean {
  return connector === "bsim";
}

/** Whether a notice is worth a mail: the person can act, or something has ended. An outage passes without anybody's help. */
export function deservesMail(kind: string): boolean {
  return kind === "reauthorization_required" || kind === "consent_expiring" || kind === "consent_revoked";
}

/** A notice for people; undefined for what needs no telling, such as that all is well again, and for words not known here. */
export function noticeInWords(
  notice: Pick<Notice, "connector" | "place" | "kind" | "consentEndsAt">,
): NoticeInWords | undefined {
  const { place } = notice;
  const again = isOfBank(notice) ? `"Reconnect ${place}"` : '"Connect again"';
  switch (notice.kind) {
    case "reauthorization_required":
      return {
        title: `${place} needs your consent again`,
        detail: `Your consent has ended, so nothing new is read there. To go on, choose ${again}. What you see until then is from the last time.`,
        needsPerson: true,
      };
    case "consent_expiring": {
      const end = notice.consentEndsAt === undefined ? "soon" : `on ${dayInWords(notice.consentEndsAt)}`;
      return {
        title: `Your consent at ${place} ends ${end}`,
        detail: `To keep the connection without a gap, renew your consent before that. If you do nothing, nothing more is read there afterwards.`,
        needsPerson: true,
      };
    }
    case "consent_revoked":
      return {
        title: `${place} is not connected any more`,
        detail: `The consent was taken back at the bank or its provider. What it had brought here was removed. If that was you, there is nothing to do; if not, you can connect it again.`,
        needsPerson: true,
      };
    case "provider_down":
    case "misconfigured":
      return {
        title: `${place} does not answer at the moment`,
        detail: `We keep trying; you need not do anything. What you see is from the last time.`,
        needsPerson: false,
      };
    default:
      return undefined;
  }
}

/** The ids of notices. */
export function idsOf(notices: readonly Pick<Notice, "noticeId">[]): string[] {
  return notices.map((notice) => notice.noticeId);
}

/** Whether what a notice says is no longer so, as its connection stands now. `undefined` for one that is not there any more. */
export function isSettled(notice: Notice, standing: ConnectionStanding | undefined): boolean {
  switch (notice.kind) {
    case "consent_revoked":
      return standing?.state === "ACTIVE";
    case "consent_expiring": {
      const ends = standing?.consentEndsAt;
      const isRenewed = ends !== undefined && notice.consentEndsAt !== undefined && ends > notice.consentEndsAt;
      return standing === undefined || standing.state === "REVOKED" || isRenewed;
    }
    default:
      return standing === undefined || standing.state === "ACTIVE" || standing.state === "REVOKED";
  }
}

/** Parts notices into those that are settled and those that still hold. */
export function splitSettled(
  notices: readonly Notice[],
  standings: readonly ConnectionStanding[],
): { readonly settled: readonly Notice[]; readonly open: readonly Notice[] } {
  const byId = new Map(standings.map((standing) => [standing.connectionId, standing]));
  const { settled = [], open = [] } = Object.groupBy(notices, (notice) =>
    isSettled(notice, byId.get(notice.connectionId)) ? "settled" : "open",
  );
  return { settled, open };
}

const dayFormat = new Intl.DateTimeFormat("en-CA", { dateStyle: "long", timeZone: "UTC" });

function dayInWords(day: Date): string {
  return dayFormat.format(day);
}

/** The addresses a mail leads to. */
export interface NoticePages {
  readonly wallet: string;
  /** Of connections of data providers; undefined where they have no pages. */
  readonly connections: string | undefined;
}

/** One mail for some notices. `notices` has at least one that `noticeInWords` knows; no text of it is anything but plain. */
export function noticeMail(notices: readonly Notice[], pages: NoticePages): { subject: string; text: string } {
  const told = notices.flatMap((notice) => {
    const words = noticeInWords(notice);
    return words === undefined ? [] : [{ notice, words }];
  });
  const [first] = told;
  const subject =
    told.length === 1 && first !== undefined ? first.words.title : `${told.length} of your accounts need you`;
  const addresses = new Set(
    told.map(({ notice }) => (isOfBank(notice) ? pages.wallet : (pages.connections ?? pages.wallet))),
  );
  const lines = [
    ...told.flatMap(({ words }) => [`${words.title}.`, words.detail, ""]),
    "Open your wallet here:",
    ...addresses,
    "",
    "We never ask for a password or a code by mail. You can also type the address of your wallet yourself.",
    "",
  ];
  return { subject, text: lines.join("\n") };
}
