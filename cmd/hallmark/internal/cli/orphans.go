package cli

import (
	"context"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

// maxSweeps is how often clean looks for orphans anew: what hung from an orphan is
// one itself once that is deleted.
const maxSweeps = 8

// listOrphans prints the orphans of a repository.
func listOrphans(ctx context.Context, t *target, out *render, arg string) error {
	repo, err := t.orphanage(arg)
	if err != nil {
		return err
	}
	orphans, errs := collectOrphans(ctx, keeper(repo))
	return printOrphans(out, report.Orphans{Repository: arg}, orphans, nil, errs)
}

// sweepOrphans deletes the orphans of a repository, and those that this makes
// orphans.
func sweepOrphans(ctx context.Context, t *target, out *render, arg string, dry bool) error {
	if dry {
		return listOrphans(ctx, t, out, arg)
	}
	repo, err := t.orphanage(arg)
	if err != nil {
		return err
	}
	var all []attach.Orphan
	var left []attach.Left
	var errs []error
	tried := make(map[string]bool)
	for range maxSweeps {
		var found, fresh []attach.Orphan
		found, errs = collectOrphans(ctx, keeper(repo))
		for _, o := range found {
			if !tried[o.Ref] {
				tried[o.Ref] = true
				fresh = append(fresh, o)
			}
		}
		if len(fresh) == 0 {
			break
		}
		more, err := keeper(repo).Sweep(ctx, fresh...)
		if err != nil {
			return err
		}
		all, left = append(all, fresh...), append(left, more...)
	}
	return printOrphans(out, report.Orphans{Repository: arg, Swept: true}, all, left, errs)
}

// orphanage opens the repository whose orphans are looked for. Where attachments are
// kept in a repository of their own it may hold those of other images as well, which
// are no orphans for not being in this one.
func (t *target) orphanage(arg string) (repository, error) {
	if to := t.attachments(); to != "" && to != arg && !strings.HasPrefix(arg, layoutPrefix) {
		return nil, usagef("the attachments of %s are kept in %s, which may hold those of other repositories too: nothing tells which of them are orphans", arg, to)
	}
	return t.openRepository(arg)
}

func collectOrphans(ctx context.Context, k attach.Keeper) (list []attach.Orphan, errs []error) {
	for o, err := range k.Orphans(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, o)
	}
	return list, errs
}

func printOrphans(out *render, doc report.Orphans, list []attach.Orphan, left []attach.Left, errs []error) error {
	doc.Complete, doc.Orphans, doc.Left = len(errs) == 0, []report.Orphan{}, report.NewLeft(left)
	for _, o := range list {
		doc.Orphans = append(doc.Orphans, report.NewOrphan(o))
	}
	for _, err := range errs {
		doc.Errors = append(doc.Errors, oneLine(err))
	}
	if err := out.print(doc); err != nil {
		return err
	}
	if len(errs) > 0 || len(left) > 0 {
		return codeError(exitUndetermined)
	}
	return nil
}
