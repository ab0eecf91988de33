// SPDX-License-Identifier: MIT OR Apache-2.0

package ui

import (
	"fmt"
	"strconv"
	"time"
)

// Bytes writes a number of bytes as people read it, in powers of 1000: "999 B", "1.4 MB", "364 kB".
func Bytes(n int64) string {
	sign, v := "", float64(n)
	if n < 0 {
		sign, v = "-", -v
	}
	if v < 1000 {
		return sign + strconv.FormatInt(int64(v), 10) + " B"
	}
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	u := 0
	for v /= 1000; v >= 999.5 && u < len(units)-1; v /= 1000 {
		u++
	}
	if v < 99.95 {
		return fmt.Sprintf("%s%.1f %s", sign, v, units[u])
	}
	return fmt.Sprintf("%s%.0f %s", sign, v, units[u])
}

// Duration writes a length of time as people read it: "84 ms", "3.4 s", "2 min 05 s", "1 h 02 min".
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(max(-d, 0))
	case d < time.Millisecond && d > 0:
		return "<1 ms"
	case d < 999*time.Millisecond+500*time.Microsecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 59*time.Second+950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		s := int64(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	m := int64(d.Round(time.Minute) / time.Minute)
	return fmt.Sprintf("%d h %02d min", m/60, m%60)
}
