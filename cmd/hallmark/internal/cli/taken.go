package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/hallmark-oci/hallmark/verify"
)

// taken keeps accepted documents in a temporary file until the verdict is known
// and it shows how many signers are behind each.
type taken struct {
	file *os.File
	size int64
	docs []*takenDoc // in the order in which they were found
}

// A takenDoc is one document: what its statements say is the same.
type takenDoc struct {
	name    string // verify.Evidence.Document
	signers verify.Tally
	parts   []io.Reader // the document, or each envelope that holds it
	sum     hash.Hash   // over all parts
}

// digest returns the digest of the bytes that are handed out.
func (d *takenDoc) digest() string { return "sha256:" + hex.EncodeToString(d.sum.Sum(nil)) }

// digests lists the digests of documents for people.
func digests(docs []*takenDoc) string {
	var list []string
	for _, d := range docs {
		list = append(list, d.digest())
	}
	return strings.Join(list, ", ")
}

func newTaken() (*taken, error) {
	file, err := os.CreateTemp("", "hallmark-get-")
	if err != nil {
		return nil, fmt.Errorf("keep what verified: %w", err)
	}
	return &taken{file: file}, nil
}

func (t *taken) close() {
	t.file.Close()
	os.Remove(t.file.Name())
}

// add counts the evidence for its document. first is set for the first
// evidence of a document.
func (t *taken) add(e verify.Evidence) (doc *takenDoc, first bool) {
	for _, d := range t.docs {
		if d.name == e.Document {
			doc = d
		}
	}
	if doc == nil {
		doc, first = &takenDoc{name: e.Document, sum: sha256.New()}, true
		t.docs = append(t.docs, doc)
	}
	doc.signers.Add(e)
	return doc, first
}

// keep copies r behind what is kept already and makes it a part of the document.
func (t *taken) keep(doc *takenDoc, r io.Reader) error {
	n, err := io.Copy(io.MultiWriter(t.file, doc.sum), r)
	if err != nil {
		return fmt.Errorf("keep what verified: %w", err)
	}
	doc.parts = append(doc.parts, io.NewSectionReader(t.file, t.size, n))
	t.size += n
	return nil
}

// signedBy returns the documents that at least so many distinct signers signed.
func (t *taken) signedBy(threshold int) []*takenDoc {
	var docs []*takenDoc
	for _, d := range t.docs {
		if d.signers.Count() >= threshold {
			docs = append(docs, d)
		}
	}
	return docs
}
