// CosmJS (@cosmjs/tendermint-rpc, Comet38Client) against a running local network, over HTTP and over WebSocket.
//
//   node cosmjs.mjs DIR      DIR is the directory of the network: its localnet.json is read
//
// Prints a table of what passed. Exits with 1 where anything failed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { Comet38Client, HttpClient, WebsocketClient, pubkeyToRawAddress } from "@cosmjs/tendermint-rpc";

import { hashBlock, hashTx, rootOf, sha256 } from "./comet.mjs";

const PATIENCE_MS = 30_000;

const directory = process.argv[2];
if (!directory) {
  console.error("usage: node cosmjs.mjs DIR");
  process.exit(2);
}
const network = JSON.parse(readFileSync(join(directory, "localnet.json"), "utf8"));
const [node0, node1] = network.nodes;
const [payer, receiver] = network.accounts;
const wallet = join(process.env.PYRALOG_BIN ?? "bin", "pyralog");

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const utf8 = (text) => new Uint8Array(Buffer.from(text, "utf8"));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const results = [];

/** Runs one check and remembers how it went; gives its value, `undefined` after a failure. */
async function check(transport, what, body) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    const value = await Promise.race([body(), late]);
    results.push({ transport, check: what, result: "ok" });
    return value;
  } catch (error) {
    results.push({ transport, check: what, result: `FAILED: ${String(error?.message ?? error).split("\n")[0]}` });
    console.error(`${transport}: ${what}:`, error);
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** A transfer signed by the wallet, as bytes. */
function signTransfer(amount) {
  const args = ["tx", "send", "--sign-only", "--from", payer.name, "--to", receiver.address, "--amount", String(amount)];
  const keys = ["--keystore", dirname(payer.keystore), "--password-file", payer.password_file, "--node", node0.api];
  const text = execFileSync(wallet, [...args, ...keys], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return new Uint8Array(Buffer.from(text.trim(), "base64"));
}

/** The balance of an account in upyra, from the native API. */
async function balance(address) {
  const answer = await fetch(`${node0.api}/v1/accounts/${address}`);
  assert.equal(answer.status, 200, `GET /v1/accounts answers ${answer.status}`);
  return BigInt((await answer.json()).balance);
}

/** The first event of a stream that `wanted` accepts. */
function next(stream, wanted = () => true) {
  return new Promise((resolve, reject) => {
    const subscription = stream.subscribe({
      next: (event) => {
        if (wanted(event)) {
          setTimeout(() => subscription.unsubscribe());
          resolve(event);
        }
      },
      error: reject,
      complete: () => reject(new Error("the stream ended")),
    });
  });
}

/** `count` events of a stream. */
function take(stream, count) {
  const events = [];
  return next(stream, (event) => events.push(event) >= count).then(() => events);
}

function checkProof(found, header) {
  assert.ok(found.proof, "there is no proof");
  const { proof, rootHash, data } = found.proof;
  assert.equal(hex(data), hex(found.tx), "the proof is about another transaction");
  const leaf = sha256(new Uint8Array([0]), sha256(found.tx));
  assert.equal(hex(proof.leafHash), hex(leaf));
  assert.equal(hex(rootOf(leaf, proof.index, proof.total, proof.aunts)), hex(rootHash));
  assert.equal(hex(rootHash), hex(header.dataHash), "the root is not the header's data_hash");
}

/** What both transports must answer alike. */
async function reading(name, client) {
  const status = await check(name, "status", async () => {
    const status = await client.status();
    assert.equal(status.nodeInfo.network, network.chain_id);
    assert.match(status.nodeInfo.version, /^0\.38\./);
    assert.match(hex(status.nodeInfo.id), /^[0-9a-f]{40}$/);
    assert.ok(status.syncInfo.latestBlockHeight >= 1);
    assert.equal(status.syncInfo.catchingUp, false);
    assert.ok(status.validatorInfo.votingPower > 0n);
    return status;
  });
  const latest = status?.syncInfo.latestBlockHeight ?? 1;
  await check(name, "health", () => client.health());
  await check(name, "genesis", async () => {
    const genesis = await client.genesis();
    assert.equal(genesis.chainId, network.chain_id);
    assert.equal(genesis.validators.length, network.nodes.length);
    assert.equal(genesis.appHash.length, 32);
  });
  await check(name, "abci_info", async () => {
    assert.ok((await client.abciInfo()).lastBlockHeight >= latest);
  });
  await check(name, "block: header hashes to its id, heights 1 to the latest", async () => {
    let last;
    for (let height = 1; height <= Math.min(latest, 20); height += 1) {
      const { block, blockId } = await client.block(height);
      assert.equal(block.header.height, height);
      assert.equal(hex(hashBlock(block.header)), hex(blockId.hash), `height ${height}`);
      if (last) assert.equal(hex(block.header.lastBlockId.hash), hex(last), `height ${height} follows another block`);
      last = blockId.hash;
    }
  });
  await check(name, "block without height is the latest", async () => {
    assert.ok((await client.block()).block.header.height >= latest);
  });
  await check(name, "commit: signed by more than two thirds of the validators' power", async () => {
    const { header, commit, canonical } = await client.commit(latest);
    assert.equal(typeof canonical, "boolean");
    assert.equal(header.height, latest);
    assert.equal(hex(commit.blockId.hash), hex(hashBlock(header)));
    const { validators } = await client.validatorsAll(latest);
    assert.equal(commit.signatures.length, validators.length);
    const total = validators.reduce((sum, v) => sum + v.votingPower, 0n);
    const signed = commit.signatures.map((s, i) => {
      if (s.blockIdFlag !== 2) return 0n;
      assert.equal(hex(s.validatorAddress), hex(validators[i].address), "signatures are not in the order of the set");
      assert.equal(s.signature.length, 64);
      return validators[i].votingPower;
    });
    assert.ok(signed.reduce((a, b) => a + b, 0n) * 3n > total * 2n);
  });
  await check(name, "validators: addresses follow from keys", async () => {
    const answer = await client.validators({ height: latest, page: 1, per_page: 2 });
    assert.deepEqual([answer.count, answer.total, answer.blockHeight], [2, network.nodes.length, latest]);
    const { validators } = await client.validatorsAll(latest);
    for (const v of validators) {
      assert.equal(v.pubkey.algorithm, "ed25519");
      assert.equal(hex(pubkeyToRawAddress("ed25519", v.pubkey.data)), hex(v.address));
      assert.equal(typeof v.proposerPriority, "number");
    }
  });
  await check(name, "blockchain", async () => {
    const { blockMetas, lastHeight } = await client.blockchain(1, Math.min(latest, 10));
    assert.ok(lastHeight >= latest);
    assert.deepEqual(blockMetas.map((m) => m.header.height), Array.from({ length: Math.min(latest, 10) }, (_, i) => Math.min(latest, 10) - i));
    for (const meta of blockMetas) assert.equal(hex(hashBlock(meta.header)), hex(meta.blockId.hash));
  });
  await check(name, "block_results", async () => {
    const answer = await client.blockResults(latest);
    assert.equal(answer.height, latest);
    assert.ok(Array.isArray(answer.results));
  });
  await check(name, "block_search", async () => {
    const { blocks, totalCount } = await client.blockSearch({ query: "block.height = 1" });
    assert.deepEqual([totalCount, blocks[0].block.header.height], [1, 1]);
  });
  await check(name, "num_unconfirmed_txs", async () => {
    assert.ok((await client.numUnconfirmedTxs()).total >= 0);
  });
  await check(name, "abci_query: a value with its proof, and a name without value", async () => {
    const totals = await client.abciQuery({ path: "/key", data: utf8("totals"), prove: true });
    assert.equal(totals.code, 0, totals.log);
    // Version 1, then five u64: supply, pool, bonded, unbonding, logs.
    assert.equal(totals.value.length, 41);
    const supply = Buffer.from(totals.value).readBigUInt64BE(1);
    assert.ok(supply >= network.accounts.reduce((sum, a) => sum + BigInt(a.balance), 0n));
    assert.equal(totals.proof.ops.length, 1);
    const nothing = await client.abciQuery({ path: "/key", data: utf8("no such name"), prove: false });
    assert.equal(nothing.value.length, 0);
    assert.notEqual((await client.abciQuery({ path: "/nowhere", data: utf8("totals") })).code, 0);
  });
  await check(name, "an unknown height is refused with CometBFT's sentence", async () => {
    await assert.rejects(client.block(latest + 1_000_000), /must be less than or equal to the current blockchain height/);
  });
}

/** Sends a transfer and finds it again in every way. */
async function sending(name, client, amount, send) {
  const before = await balance(receiver.address);
  const tx = await check(name, "a transfer signed by pyralog tx send --sign-only", async () => signTransfer(amount));
  if (!tx) return;
  const height = await check(name, send === "commit" ? "broadcast_tx_commit" : "broadcast_tx_sync", async () => {
    if (send === "commit") {
      const answer = await client.broadcastTxCommit({ tx });
      assert.equal(answer.checkTx.code, 0, answer.checkTx.log);
      assert.equal((answer.txResult ?? answer.deliverTx).code, 0);
      assert.equal(hex(answer.hash), hex(hashTx(tx)));
      return answer.height;
    }
    const answer = await client.broadcastTxSync({ tx });
    assert.equal(answer.code, 0, answer.log);
    assert.equal(hex(answer.hash), hex(hashTx(tx)));
    for (;;) {
      const found = await client.tx({ hash: hashTx(tx) }).catch(() => undefined);
      if (found) return found.height;
      await pause(100);
    }
  });
  if (!height) return;
  const { block } = await client.block(height);
  await check(name, "the block holds the transaction", async () => {
    assert.ok(block.txs.some((other) => hex(other) === hex(tx)));
  });
  await check(name, "tx with proof: leads to the header's data_hash", async () => {
    const found = await client.tx({ hash: hashTx(tx), prove: true });
    assert.deepEqual([found.height, found.result.code, hex(found.tx)], [height, 0, hex(tx)]);
    checkProof(found, block.header);
  });
  await check(name, "tx_search by height and by hash, with proof", async () => {
    const byHeight = await client.txSearch({ query: `tx.height=${height}`, prove: true });
    assert.equal(byHeight.totalCount, byHeight.txs.length);
    const found = byHeight.txs.find((other) => hex(other.hash) === hex(hashTx(tx)));
    assert.ok(found, "not found by height");
    checkProof(found, block.header);
    const byHash = await client.txSearchAll({ query: `tx.hash='${hex(hashTx(tx)).toUpperCase()}'` });
    assert.deepEqual([byHash.totalCount, byHash.txs[0]?.height], [1, height]);
  });
  await check(name, "block_results hold the transaction's result", async () => {
    const { results: all } = await client.blockResults(height);
    assert.equal(all.length, block.txs.length);
    assert.ok(all.every((result) => result.code === 0));
  });
  await check(name, "the receiver has the amount", async () => {
    assert.equal((await balance(receiver.address)) - before, BigInt(amount));
  });
  await check(name, "the same transaction again is refused", async () => {
    const answer = await client.broadcastTxSync({ tx }).catch((error) => ({ code: -1, log: String(error) }));
    assert.notEqual(answer.code, 0);
  });
}

async function subscribing(client) {
  const name = "WebSocket";
  await check(name, "subscribeNewBlock: consecutive blocks that link up", async () => {
    const blocks = await take(client.subscribeNewBlock(), 3);
    for (const [i, block] of blocks.entries()) {
      if (i > 0) {
        assert.equal(block.header.height, blocks[i - 1].header.height + 1);
        assert.equal(hex(block.header.lastBlockId.hash), hex(hashBlock(blocks[i - 1].header)));
      }
    }
  });
  await check(name, "subscribeNewBlockHeader", async () => {
    const header = await next(client.subscribeNewBlockHeader());
    assert.equal(hex(hashBlock(header)), hex((await client.commit(header.height)).commit.blockId.hash));
  });
  await check(name, "subscribeTx: the transfer arrives as an event", async () => {
    const tx = signTransfer(33);
    const event = next(client.subscribeTx(), (event) => hex(event.hash) === hex(hashTx(tx)));
    // The subscription is confirmed before the next call is answered.
    await client.health();
    assert.equal((await client.broadcastTxSync({ tx })).code, 0);
    const seen = await event;
    assert.equal(hex(seen.tx), hex(tx));
    assert.equal(seen.result.code, 0);
    assert.equal((await client.tx({ hash: hashTx(tx) })).height, seen.height);
  });
}

async function main() {
  const http = await check("HTTP", "Comet38Client connects", async () => {
    const client = await Comet38Client.create(new HttpClient(node0.rpc));
    await client.status();
    return client;
  });
  if (http) {
    await reading("HTTP", http);
    await sending("HTTP", http, 11, "commit");
    http.disconnect();
  }
  // Another node than the one that was sent to: what one says, all say.
  const socket = await check("WebSocket", "Comet38Client connects", async () => {
    const url = node1.rpc.replace(/^http/, "ws");
    const client = await Comet38Client.create(new WebsocketClient(url));
    await client.status();
    return client;
  });
  if (socket) {
    await reading("WebSocket", socket);
    await sending("WebSocket", socket, 22, "sync");
    await subscribing(socket);
    socket.disconnect();
  }
}

await main();
console.table(results);
const failed = results.filter((result) => result.result !== "ok").length;
console.log(`${basename(process.argv[1])}: ${results.length - failed} of ${results.length} checks passed`);
process.exit(failed === 0 ? 0 : 1);
