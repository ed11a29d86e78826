import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/*
 * The messages of gRPC server reflection (grpc.reflection.v1 and v1alpha have the same fields). Read and written by field
 * number, since a schema library for these two messages alone would cost each service a hundred megabytes.
 */

/** A question of a reflection client. */
export type ReflectionRequest =
  | { readonly kind: "file_by_filename" | "file_containing_symbol"; readonly name: string }
  | { readonly kind: "file_containing_extension"; readonly typeName: string; readonly fieldNumber: number }
  | { readonly kind: "all_extension_numbers_of_type"; readonly name: string }
  | { readonly kind: "list_services" }
  | { readonly kind: "unknown" };

/** An answer: files as serialized FileDescriptorProtos, numbers, names, or an error by gRPC code. */
export type ReflectionAnswer =
  | { readonly kind: "files"; readonly files: readonly Uint8Array[] }
  | { readonly kind: "extension_numbers"; readonly typeName: string; readonly numbers: readonly number[] }
  | { readonly kind: "services"; readonly names: readonly string[] }
  | { readonly kind: "error"; readonly code: number; readonly message: string };

/** Reads a ServerReflectionRequest. The last member of its oneof counts, as in every protobuf parser. */
export function readReflectionRequest(bytes: Uint8Array): ReflectionRequest {
  const reader = new BinaryReader(bytes);
  let request: ReflectionRequest = { kind: "unknown" };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 3) request = { kind: "file_by_filename", name: reader.string() };
    else if (field === 4) request = { kind: "file_containing_symbol", name: reader.string() };
    else if (field === 5) request = readExtensionRequest(reader.bytes());
    else if (field === 6) request = { kind: "all_extension_numbers_of_type", name: reader.string() };
    else if (field === 7) {
      reader.string();
      request = { kind: "list_services" };
    } else reader.skip(wireType);
  }
  return request;
}

function readExtensionRequest(bytes: Uint8Array): ReflectionRequest {
  const reader = new BinaryReader(bytes);
  let typeName = "";
  let fieldNumber = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) typeName = reader.string();
    else if (field === 2) fieldNumber = reader.int32();
    else reader.skip(wireType);
  }
  return { kind: "file_containing_extension", typeName, fieldNumber };
}

/** Writes a ServerReflectionResponse to the question whose bytes are given. */
export function writeReflectionResponse(question: Uint8Array, answer: ReflectionAnswer): Uint8Array {
  const writer = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(question);
  switch (answer.kind) {
    case "files":
      writer.tag(4, WireType.LengthDelimited).fork();
      for (const file of answer.files) writer.tag(1, WireType.LengthDelimited).bytes(file);
      return writer.join().finish();
    case "extension_numbers":
      writer.tag(5, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(answer.typeName);
      for (const number of answer.numbers) writer.tag(2, WireType.Varint).int32(number);
      return writer.join().finish();
    case "services":
      writer.tag(6, WireType.LengthDelimited).fork();
      for (const name of answer.names) {
        writer.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(name).join();
      }
      return writer.join().finish();
    case "error":
      writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(answer.code);
      return writer.tag(2, WireType.LengthDelimited).string(answer.message).join().finish();
    default: {
      const impossible: never = answer;
      throw new Error(`unreachable answer ${String(impossible)}`);
    }
  }
}
