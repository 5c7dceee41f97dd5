package journal

import (
	"context"

	"github.com/hallmark-oci/hallmark/attach"
)

// Repair implements [attach.Keeper].
func (s *Store) Repair(ctx context.Context, subject attach.Subject, o attach.RepairOptions) (attach.Repaired, error) {
	return attach.Repaired{}, ctx.Err()
}
