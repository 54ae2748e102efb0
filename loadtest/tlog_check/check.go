// Command check reads a collector's audit log with golang.org/x/mod/sumdb, an implementation of notes and Merkle
// trees that shares no line with the collector's: opens the checkpoint with the verifier key, recomputes the root from the
// hash tiles, and proves that each entry of each bundle is in the tree, at its place.
//
//	check FOLDER VKEY [OLD-CHECKPOINT]
//
// With an older checkpoint of the same log it also proves that the log has only grown since. Prints one JSON object;
// exit 1 where anything does not hold.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // 256 hashes a tile

// The paths of C2SP tlog-tiles; x/mod's own begin with the height and call bundles "data".
func path(tile tlog.Tile) string {
	n, number := tile.N, fmt.Sprintf("%03d", tile.N%1000)
	for n >= 1000 {
		n /= 1000
		number = fmt.Sprintf("x%03d/%s", n%1000, number)
	}
	level := strconv.Itoa(tile.L)
	if tile.L < 0 {
		level = "entries"
	}
	name := "tile/" + level + "/" + number
	if tile.W < 1<<height {
		name += ".p/" + strconv.Itoa(tile.W)
	}
	return name
}

// folder is a tlog.TileReader on a collector's files.
type folder struct {
	root  string
	tiles int
}

func (f *folder) Height() int { return height }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		content, err := os.ReadFile(filepath.Join(f.root, path(tile)))
		if err != nil {
			return nil, err
		}
		if want := tile.W * tlog.HashSize; len(content) != want {
			return nil, fmt.Errorf("%s: %d bytes, expected %d", path(tile), len(content), want)
		}
		f.tiles++
		found = append(found, content)
	}
	return found, nil
}

func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}

// treeOf reads a checkpoint. Its text is checked here: tlog.ParseTree wants the Go checksum database's own first line.
func treeOf(file string, verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	content, err := os.ReadFile(file)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(content, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("%s: not a checkpoint of %s", file, verifier.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// bundles gives every entry of the tree to each.
func bundles(root string, tree tlog.Tree, each func(place int64, entry []byte) error) error {
	place := int64(0)
	for number := int64(0); place < tree.N; number++ {
		width := tree.N - place
		if width > 1<<height {
			width = 1 << height
		}
		name := path(tlog.Tile{H: height, L: -1, N: number, W: int(width)})
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		for end := place + width; place < end; place++ {
			if len(content) < 2 || len(content)-2 < int(binary.BigEndian.Uint16(content)) {
				return fmt.Errorf("%s: ends before entry %d", name, place+1)
			}
			length := int(binary.BigEndian.Uint16(content))
			if err := each(place, content[2:2+length]); err != nil {
				return err
			}
			content = content[2+length:]
		}
		if len(content) != 0 {
			return fmt.Errorf("%s: %d bytes after its last entry", name, len(content))
		}
	}
	return nil
}

func check(root, vkey, older string) (map[string]any, error) {
	told := map[string]any{}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return told, err
	}
	tree, err := treeOf(filepath.Join(root, "checkpoint"), verifier)
	if err != nil {
		return told, err
	}
	told["signed_by"], told["entries"] = verifier.Name(), tree.N
	tiles := &folder{root: root}
	reader := tlog.TileHashReader(tree, tiles)
	computed, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return told, err
	}
	if computed != tree.Hash {
		return told, fmt.Errorf("the tiles' root is not the checkpoint's")
	}
	told["root"] = computed.String()
	lines, proofs := []byte{}, 0
	err = bundles(root, tree, func(place int64, entry []byte) error {
		proof, err := tlog.ProveRecord(tree.N, place, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, place, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %w", place+1, err)
		}
		lines = append(append(lines, entry...), '\n')
		proofs++
		return nil
	})
	if err != nil {
		return told, err
	}
	told["inclusion_proofs"], told["tiles_read"] = proofs, tiles.tiles
	log, err := os.ReadFile(filepath.Join(root, "log.jsonl"))
	if err != nil {
		return told, err
	}
	if !strings.HasPrefix(string(log), string(lines)) {
		return told, fmt.Errorf("log.jsonl does not begin with the entries of the bundles")
	}
	told["log_jsonl_agrees"] = true
	if older == "" {
		return told, nil
	}
	old, err := treeOf(older, verifier)
	if err != nil {
		return told, err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return told, err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return told, err
	}
	told["consistent_with_entries"] = old.N
	return told, nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "check FOLDER VKEY [OLD-CHECKPOINT]")
		os.Exit(2)
	}
	older := ""
	if len(os.Args) > 3 {
		older = os.Args[3]
	}
	told, err := check(os.Args[1], os.Args[2], older)
	told["holds"] = err == nil
	if err != nil {
		told["error"] = err.Error()
	}
	words, _ := json.MarshalIndent(told, "", " ")
	fmt.Println(string(words))
	if err != nil {
		os.Exit(1)
	}
}
