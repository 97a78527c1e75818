// CometBFT's hashes, over values as CosmJS decodes them.
//
// CosmJS 0.39 has a `hashBlock` of its own, but it still writes header fields as Tendermint 0.31 did (amino, without field tags) and
// so hashes no header of CometBFT 0.34 or later, ours or Go's. These are the rules of CometBFT 0.38, `types/block.go`.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

export const sha256 = (...pieces) => new Uint8Array(pieces.reduce((hash, piece) => hash.update(piece), createHash("sha256")).digest());

/** The hash by which a transaction is known. */
export const hashTx = (tx) => sha256(tx);

const leafHash = (leaf) => sha256(new Uint8Array([0]), leaf);
const nodeHash = (left, right) => sha256(new Uint8Array([1]), left, right);

/** The largest power of two below `count`. */
function split(count) {
  let left = 1;
  while (left * 2 < count) left *= 2;
  return left;
}

/** Root of an RFC 6962 tree. */
function root(leaves) {
  if (leaves.length === 1) return leafHash(leaves[0]);
  const left = split(leaves.length);
  return nodeHash(root(leaves.slice(0, left)), root(leaves.slice(left)));
}

/** Climbs from a leaf's hash to the root, with aunts as CometBFT's `merkle.Proof` has them: the leaf's first. */
export function rootOf(leaf, index, total, aunts) {
  if (total === 1) {
    assert.equal(aunts.length, 0, "aunts left over");
    return leaf;
  }
  const [rest, aunt, left] = [aunts.slice(0, -1), aunts.at(-1), split(total)];
  assert.ok(aunt, "an aunt is missing");
  return index < left ? nodeHash(rootOf(leaf, index, left, rest), aunt) : nodeHash(aunt, rootOf(leaf, index - left, total - left, rest));
}

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

// Protobuf fields; zero and empty are left out.
const number = (field, value) => (BigInt(value) === 0n ? [] : [field << 3, ...varint(value)]);
const bytes = (field, value) => (value.length === 0 ? [] : [(field << 3) | 2, ...varint(value.length), ...value]);
/** An embedded message, which stands there even when it is empty. */
const message = (field, value) => [(field << 3) | 2, ...varint(value.length), ...value];

function time(date) {
  const milliseconds = date.getTime();
  const nanoseconds = (milliseconds % 1000) * 1_000_000 + (date.nanoseconds ?? 0);
  return [...number(1, Math.floor(milliseconds / 1000)), ...number(2, nanoseconds)];
}

function blockId(id) {
  if (!id) return message(2, []);
  return [...bytes(1, id.hash), ...message(2, [...number(1, id.parts.total), ...bytes(2, id.parts.hash)])];
}

/** A header's hash: the root over its fields in their order, plain values as protobuf's well-known wrappers. */
export function hashBlock(header) {
  const fields = [
    [...number(1, header.version.block), ...number(2, header.version.app)],
    bytes(1, new TextEncoder().encode(header.chainId)),
    number(1, header.height),
    time(header.time),
    blockId(header.lastBlockId),
    ...[
      header.lastCommitHash,
      header.dataHash,
      header.validatorsHash,
      header.nextValidatorsHash,
      header.consensusHash,
      header.appHash,
      header.lastResultsHash,
      header.evidenceHash,
      header.proposerAddress,
    ].map((hash) => bytes(1, hash)),
  ];
  return root(fields.map((field) => new Uint8Array(field)));
}
