/** What keys and tokens of programs, forges and clouds look like: they say what they are by how they begin. */
import type { PresetPattern } from "./redact_presets.ts";
import { isMixed } from "./redact_notations.ts";

/** Patterns of tokens. */
export const tokenSecrets: readonly PresetPattern[] = [
  { name: "aws-key", regex: String.raw`\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b` },
  {
    name: "forge-token",
    regex: String
      .raw`\b(?:gh[oprsu]_[0-9A-Za-z]{20}|github_pat_[0-9A-Za-z_]{22}|gl(?:pat|ptt|dt|rt|cbt)-[\w-]{20}|npm_[0-9A-Za-z]{30}|pypi-[\w-]{30}|dop_v1_[0-9a-f]{20})[\w-]*`,
  },
  { name: "chat-token", regex: String.raw`\b(?:xox[abeoprs]-[\w-]{10}|xapp-[\w-]{10}|[0-9]{8,10}:AA[\w-]{30})[\w-]*` },
  { name: "chat-token", regex: String.raw`hooks\.slack\.com/services/([A-Za-z0-9/]+)` },
  { name: "chat-token", regex: String.raw`\b[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27}[\w-]*`, accept: isMixed },
  {
    name: "cloud-token",
    regex: String
      .raw`\b(?:AIza[\w-]{30}|ya29\.[\w-]{20}|GOCSPX-[\w-]{20}|[sr]k_(?:live|test)_[0-9A-Za-z]{10}|whsec_[A-Za-z0-9]{10}|SG\.[\w-]{16}\.|hv[sb]\.[\w-]{20}|sk-[\w-]{20})[\w-]*`,
  },
  {
    name: "cloud-token",
    regex: String
      .raw`\b(?:hf_|glsa_|glc_|shp(?:at|ca|pa|ss)_|sq0(?:csp|atp|idp)-|dp\.(?:pt|st|ct|sa)\.|tskey-[a-z]+-|NRAK-|pul-|lin_api_|PMAK-|AT[AC]TT3x|fm[12]_|dckr_pat_|nvapi-|sntrys_)[\w=+/-]{16}[\w=+/-]*`,
  },
  { name: "cloud-token", regex: String.raw`\b(?:dapi|SK|key-)([0-9a-f]{32})\b` },
  { name: "cloud-token", regex: String.raw`[\w.~-]{3}[0-9]Q~[\w.~-]{31}[\w.~-]*` },
  { name: "cloud-token", regex: String.raw`\bs\.[A-Za-z0-9]{24}\b`, accept: isMixed },
  { name: "ceph-key", regex: String.raw`\bAQ[A-Za-z0-9+/]{36}==` },
  { name: "age-key", regex: String.raw`\bAGE-(?:SECRET-KEY|PLUGIN)-[0-9A-Z-]+` },
  { name: "minisign-key", regex: String.raw`\bRWRTY0Iy[A-Za-z0-9+/=]{50,}` },
  { name: "k3s-token", regex: String.raw`\bK10[0-9a-f]{64}::[^[:space:]"']+` },
  { name: "k3s-token", regex: String.raw`\b(?:server|node|agent):([0-9a-f]{32})\b` },
  { name: "kubeadm-token", regex: String.raw`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`, accept: isKubeadmToken },
];

/** Random characters have a digit among them; two words of six and sixteen letters have not. */
function isKubeadmToken(bytes: Uint8Array, start: number, end: number): boolean {
  return bytes.subarray(start + 7, end).some(isDigit) && bytes.subarray(start + 7, end).some((byte) => !isDigit(byte));
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}
