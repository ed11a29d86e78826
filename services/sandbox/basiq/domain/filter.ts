import { basiqError } from "./basiq-error.ts";

/** One condition of a `filter` parameter. */
export interface Condition {
  /** Such as `transaction.postDate`. */
  readonly property: string;
  readonly operator: "eq" | "ne" | "gt" | "gteq" | "lt" | "lteq" | "bt";
  readonly values: readonly [string, ...string[]];
}

const lengthMax = 2_000;
const conditionsMax = 10;
const one =
  /^([a-zA-Z]+(?:\.[a-zA-Z]+)+)\.(eq|ne|gteq|gt|lteq|lt|bt)\(('[^']*'(?:\s*,\s*'[^']*')*)\)(?:\s*,\s*(?=\S)|$)/;

/** Reads a filter; all of its conditions have to hold. Throws `parameter-not-valid` for properties not in the list. */
export function parseFilter(text: string | undefined, properties: readonly string[]): readonly Condition[] {
  const conditions: Condition[] = [];
  let rest = (text ?? "").trim();
  if (rest.length > lengthMax) throw invalid();
  while (rest !== "") {
    const match = one.exec(rest);
    const [whole, property, operator, list] = match ?? [];
    if (whole === undefined || property === undefined || !properties.includes(property)) throw invalid();
    const [first, ...further] = [...(list ?? "").matchAll(/'([^']*)'/g)].map((each) => each[1] ?? "");
    if (first === undefined || conditions.length >= conditionsMax) throw invalid();
    // The expression admits no other operator.
    conditions.push({ property, operator: operator as Condition["operator"], values: [first, ...further] });
    rest = rest.slice(whole.length);
  }
  return conditions;
}

/** Whether a value fulfils every condition on a property; a value that is null fulfils none. */
export function fulfils(conditions: readonly Condition[], property: string, value: string | null): boolean {
  return conditions.filter((each) => each.property === property).every((each) => value !== null && holds(each, value));
}

function holds({ operator, values: [first, second] }: Condition, value: string): boolean {
  switch (operator) {
    case "eq":
      return value === first;
    case "ne":
      return value !== first;
    case "gt":
      return value > first;
    case "gteq":
      return value >= first;
    case "lt":
      return value < first;
    case "lteq":
      return value <= first;
    case "bt":
      return value >= first && value <= (second ?? first);
    default: {
      const impossible: never = operator;
      throw new Error(`unreachable operator ${String(impossible)}`);
    }
  }
}

function invalid() {
  const detail = "The provided filter parameter is in invalid format or unsupported";
  return basiqError("parameter-not-valid", { detail, parameter: "filter" });
}
