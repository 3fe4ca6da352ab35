// Rebuilds artifacts/ from src/: `npm ci && node build.mjs`, in this directory.
// The same sources, lock file and settings give the same bytes: no paths, no
// times, no metadata hash. With --check nothing is written, and the exit code
// says whether what is committed is what the sources give.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const solc = require("solc");
const check = process.argv.includes("--check");

// What Go embeds: artifact name -> source unit that defines it.
const wanted = {
  Protocol: "src/Protocol.sol",
  ProtocolV2: "src/ProtocolV2.sol",
  Treasury: "src/Treasury.sol",
  TimelockController: "@openzeppelin/contracts/governance/TimelockController.sol",
  ERC1967Proxy: "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol",
};

const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

const sources = {};
for (const name of readdirSync(join(here, "src")).filter((n) => n.endsWith(".sol")).sort()) {
  sources["src/" + name] = { content: readFileSync(join(here, "src", name), "utf8") };
}

function findImport(path) {
  if (!path.startsWith("@openzeppelin/")) return { error: "only OpenZeppelin is imported: " + path };
  return { contents: readFileSync(join(here, "node_modules", path), "utf8") };
}

const out = JSON.parse(
  solc.compile(JSON.stringify({ language: "Solidity", sources, settings }), { import: findImport }),
);
const faults = (out.errors ?? []).filter((e) => e.severity !== "info");
for (const e of faults) console.error(e.formattedMessage);
if (faults.length > 0) process.exit(1);

const oz = require("@openzeppelin/contracts/package.json").version;
const files = {};
for (const [name, unit] of Object.entries(wanted)) {
  const c = out.contracts[unit][name];
  files[name + ".json"] =
    JSON.stringify(
      {
        contract: name,
        source: unit,
        compiler: "solc " + solc.version(),
        evmVersion: settings.evmVersion,
        optimizerRuns: settings.optimizer.runs,
        notice: `contains OpenZeppelin Contracts ${oz}, MIT; see NOTICE`,
        abi: c.abi,
        bytecode: "0x" + c.evm.bytecode.object,
        deployedBytecode: "0x" + c.evm.deployedBytecode.object,
      },
      null,
      1,
    ) + "\n";
}
files["SHA256SUMS"] = Object.keys(files)
  .sort()
  .map((n) => createHash("sha256").update(files[n]).digest("hex") + "  " + n + "\n")
  .join("");

const dir = join(here, "artifacts");
if (check) {
  const stale = Object.keys(files).filter((n) => {
    try {
      return readFileSync(join(dir, n), "utf8") !== files[n];
    } catch {
      return true;
    }
  });
  if (stale.length > 0) {
    console.error("not what the sources give: " + stale.join(", ") + "; run node build.mjs");
    process.exit(1);
  }
  console.log("artifacts are what the sources give");
} else {
  for (const n of readdirSync(dir)) if (n.endsWith(".json") && !(n in files)) rmSync(join(dir, n));
  for (const [n, text] of Object.entries(files)) writeFileSync(join(dir, n), text);
  console.log("wrote " + Object.keys(files).join(", "));
}
