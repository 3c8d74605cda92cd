// tlogcheck asks golang.org/x/mod/sumdb/{note,tlog}, the code behind Go's checksum database, what it thinks of
// checkpoints and proofs.
//
// Standard input has one request a line, standard output gets one answer a line: {"ok": true}, or
// {"ok": false, "error": "..."} with what the library said. Byte strings are in standard base64, as encoding/json
// writes them; hashes are 32 bytes. A request that is not understood (an unknown field, a hash of another length) is
// not an answer about a proof: the program ends with status 2.
//
//	{"check": "note", "note": "…", "vkeys": ["name+hash+key", …]}
//	{"check": "record", "proof": ["…", …], "size": 3, "root": "…", "index": 1, "leaf": "…"}
//	{"check": "tree", "proof": ["…", …], "size": 3, "root": "…", "old_size": 2, "old_root": "…"}
//
// note: note.Open; the answer also has "text" and "verified" (the names whose signatures were verified).
// record: tlog.CheckRecord, of the leaf's hash. tree: tlog.CheckTree.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Check   string   `json:"check"`
	Note    []byte   `json:"note"`
	Vkeys   []string `json:"vkeys"`
	Proof   [][]byte `json:"proof"`
	Size    int64    `json:"size"`
	Root    []byte   `json:"root"`
	Index   int64    `json:"index"`
	Leaf    []byte   `json:"leaf"`
	OldSize int64    `json:"old_size"`
	OldRoot []byte   `json:"old_root"`
}

type answer struct {
	OK       bool     `json:"ok"`
	Error    string   `json:"error,omitempty"`
	Text     []byte   `json:"text,omitempty"`
	Verified []string `json:"verified,omitempty"`
}

// fatal ends the program: the question was wrong, so there is no answer.
func fatal(err error) {
	fmt.Fprintf(os.Stderr, "tlogcheck: %v\n", err)
	os.Exit(2)
}

func hash(name string, b []byte) tlog.Hash {
	if len(b) != tlog.HashSize {
		fatal(fmt.Errorf("%s has %d bytes, not %d", name, len(b), tlog.HashSize))
	}
	return tlog.Hash(b)
}

func hashes(list [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, 0, len(list))
	for _, b := range list {
		out = append(out, hash("proof", b))
	}
	return out
}

func openNote(r *request) answer {
	verifiers := make([]note.Verifier, 0, len(r.Vkeys))
	for _, vkey := range r.Vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return answer{Error: fmt.Sprintf("%v: %q", err, vkey)}
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(r.Note, note.VerifierList(verifiers...))
	if err != nil {
		return answer{Error: err.Error()}
	}
	a := answer{OK: true, Text: []byte(n.Text)}
	for _, s := range n.Sigs {
		a.Verified = append(a.Verified, s.Name)
	}
	return a
}

func verdict(err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{OK: true}
}

func check(r *request) answer {
	switch r.Check {
	case "note":
		return openNote(r)
	case "record":
		return verdict(tlog.CheckRecord(
			hashes(r.Proof), r.Size, hash("root", r.Root), r.Index, hash("leaf", r.Leaf)))
	case "tree":
		return verdict(tlog.CheckTree(
			hashes(r.Proof), r.Size, hash("root", r.Root), r.OldSize, hash("old_root", r.OldRoot)))
	}
	fatal(fmt.Errorf("unknown check %q", r.Check))
	return answer{}
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return
		}
		if err != nil {
			fatal(fmt.Errorf("a line without its end: %w", err))
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		var r request
		if err := decoder.Decode(&r); err != nil {
			fatal(err)
		}
		if err := encoder.Encode(check(&r)); err != nil {
			fatal(err)
		}
		// Answers go out when no further request lies ready: one at a time for who waits, together for who does not.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				fatal(err)
			}
		}
	}
}
