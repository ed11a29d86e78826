import { DomainError } from "../../platform/errors/domain-error.ts";

/**
 * Runs the work of a method; what it did not foresee becomes a failure with the text merchants know for this method. The
 * cause goes along for the log alone.
 */
export async function failingAs<T>(reason: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    throw new DomainError(reason, {}, { cause: thrown });
  }
}
