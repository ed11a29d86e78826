import { readFileSync } from "node:fs";
import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import { GrpcCode } from "../errors/grpc-code.ts";
import {
  type ReflectionAnswer,
  type ReflectionRequest,
  readReflectionRequest,
  writeReflectionResponse,
} from "./reflection-messages.ts";

const descriptorSet = new URL("../../../gen/descriptors/paymesh.binpb", import.meta.url);
const serviceNames = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"] as const;

let registry: FileRegistry | undefined;

/** The whole contract; read when somebody first asks, for most processes never. */
function contract(): FileRegistry {
  registry ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptorSet)));
  return registry;
}

/** Adds server reflection (v1 and v1alpha) of the whole contract: whichever service answers, all four are described. */
export function addReflection(server: Server): void {
  const asIs = (bytes: Buffer): Buffer => bytes;
  for (const name of serviceNames) {
    const definition = {
      path: `/${name}/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    server.addService({ ServerReflectionInfo: definition }, { ServerReflectionInfo: serveReflection });
  }
}

function serveReflection(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.on("data", (question: Buffer) => {
    try {
      const answer = Buffer.from(writeReflectionResponse(question, answerTo(readReflectionRequest(question))));
      if (call.write(answer)) return;
      // Small questions have large answers: nothing more is read until these have left.
      call.pause();
      call.once("drain", () => call.resume());
    } catch {
      call.emit("error", { code: GrpcCode.INVALID_ARGUMENT, details: "the question cannot be read" });
    }
  });
  call.on("end", () => call.end());
}

/** Answers one question from the contract. */
export function answerTo(request: ReflectionRequest): ReflectionAnswer {
  const known = contract();
  switch (request.kind) {
    case "list_services":
      return { kind: "services", names: [...servicesOf(known), ...serviceNames].sort() };
    case "file_by_filename":
      return filesAnswer(known.getFile(request.name), request.name);
    case "file_containing_symbol":
      return filesAnswer(fileOfSymbol(known, request.name), request.name);
    case "file_containing_extension":
      return filesAnswer(
        extensionsOf(known, request.typeName).find((extension) => extension.number === request.fieldNumber)?.file,
        `${request.typeName}[${request.fieldNumber}]`,
      );
    case "all_extension_numbers_of_type": {
      if (known.getMessage(request.name) === undefined) return notFound(request.name);
      const numbers = extensionsOf(known, request.name).map((extension) => extension.number);
      return { kind: "extension_numbers", typeName: request.name, numbers };
    }
    case "unknown":
      return { kind: "error", code: GrpcCode.INVALID_ARGUMENT, message: "unknown question" };
    default: {
      const impossible: never = request;
      throw new Error(`unreachable question ${String(impossible)}`);
    }
  }
}

function servicesOf(known: FileRegistry): string[] {
  return [...known].filter((desc) => desc.kind === "service").map((desc) => desc.typeName);
}

function extensionsOf(known: FileRegistry, typeName: string) {
  return [...known].filter((desc) => desc.kind === "extension").filter((desc) => desc.extendee.typeName === typeName);
}

/** The file of a type, service, extension, or of a method or field by the name of what holds it. */
function fileOfSymbol(known: FileRegistry, symbol: string): DescFile | undefined {
  return known.get(symbol)?.file ?? known.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf("."))))?.file;
}

function filesAnswer(file: DescFile | undefined, asked: string): ReflectionAnswer {
  if (file === undefined) return notFound(asked);
  const files = new Map<string, Uint8Array>();
  const add = (each: DescFile): void => {
    if (files.has(each.proto.name)) return;
    files.set(each.proto.name, toBinary(FileDescriptorProtoSchema, each.proto));
    for (const dependency of each.dependencies) add(dependency);
  };
  add(file);
  return { kind: "files", files: [...files.values()] };
}

function notFound(name: string): ReflectionAnswer {
  return { kind: "error", code: GrpcCode.NOT_FOUND, message: `${name.slice(0, 200)} is not in the contract` };
}
