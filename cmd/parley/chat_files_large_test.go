package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// largeMiB is the size of the file, 40 MiB unless PARLEY_LARGE says otherwise: 2048 is what the figures in doc/performance.md are of.
func largeMiB(t *testing.T) int64 {
	text := os.Getenv("PARLEY_LARGE")
	if text == "" {
		return 40
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cut plays lines as somebody and kills the program when about half of the file has moved.
func (w *filesLab) cut(dir, state string, lines ...string) (have uint64) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), w.binary, "chat", "--dir", dir, "--json", "--room", "files", "--wait", "20s")
	cmd.Dir, cmd.Stdin = w.dir, strings.NewReader(strings.Join(lines, "\n")+"\n")
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	seen := bufio.NewScanner(out)
	for seen.Scan() {
		var e chatEvent
		if json.Unmarshal(seen.Bytes(), &e) != nil || e.File == nil {
			continue
		}
		if f := e.File; f.State == state && f.Have >= f.Size/3 && f.Have < f.Size {
			have = f.Have
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		w.Fatal("it had ended before it was cut")
	}
	return have
}

// timed plays lines and returns the first progress, the time, and the peak memory in KiB.
func (w *filesLab) timed(dir, state string, lines ...string) (first uint64, took time.Duration, peak int64) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), w.binary, "chat", "--dir", dir, "--json", "--room", "files", "--wait", "30s")
	var out bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = w.dir, strings.NewReader(strings.Join(lines, "\n")+"\n"), &out, &out
	start := time.Now()
	err := cmd.Run()
	took = time.Since(start)
	if err != nil {
		w.Fatalf("%v\n%s", err, out.String())
	}
	for line := range bytes.Lines(out.Bytes()) {
		var e chatEvent
		if json.Unmarshal(line, &e) == nil && e.File != nil && e.File.State == state && first == 0 {
			first = e.File.Have
		}
	}
	return first, took, peakOf(cmd.ProcessState)
}

// A large file is sent and fetched, each of them cut half-way by SIGKILL, in memory that does not grow with it.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	w := newFilesLab(t)
	size := largeMiB(t) << 20
	path := filepath.Join(w.dir, "large.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := noise(1<<20, 9)
	for i := range size >> 20 {
		copy(block, fmt.Sprintf("block %d", i))
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	create := exec.CommandContext(t.Context(), w.binary, "chat", "--dir", w.alice, "--wait", "20s")
	create.Stdin = strings.NewReader("/new files\n/add bob@b.example\n/wait\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := w.cut(w.alice, "sending", "/file large.bin")
	first, took, peak := w.timed(w.alice, "sending", "/wait")
	t.Logf("upload: cut at %d MiB, went on, %v for the rest, peak memory %d KiB", at>>20, took, peak)
	if first <= at-min(at, 8<<20) || first == 0 {
		t.Errorf("cut at %d, began again at %d", at, first)
	}
	figures := os.Getenv("PARLEY_LARGE") != ""
	var peakWhole, peakGet int64
	saved := []string{"large (1).bin"}
	if figures {
		_, took, peakWhole = w.timed(w.alice, "sending", "/file large.bin", "/wait")
		t.Logf("upload of all: %v, %.0f MB/s, peak memory %d KiB", took, float64(size)/1e6/took.Seconds(), peakWhole)
	}

	at = w.cut(w.bob, "fetching", "/get")
	first, took, peakRest := w.timed(w.bob, "fetching", "/get")
	t.Logf("download: cut at %d MiB, went on, %v for the rest, peak memory %d KiB", at>>20, took, peakRest)
	if first < at {
		t.Errorf("cut at %d, began again at %d", at, first)
	}
	if figures {
		saved = append(saved, "large (2).bin")
		_, took, peakGet = w.timed(w.bob, "fetching", "/get 2")
		t.Logf("download of all: %v, %.0f MB/s, peak memory %d KiB", took, float64(size)/1e6/took.Seconds(), peakGet)
		for name, secure := range map[string]bool{"HTTP": false, "HTTPS": true} {
			up, down := plainHTTP(t, path, size, secure)
			t.Logf("%s alone: up %v, %.0f MB/s; down %v, %.0f MB/s", name, up, float64(size)/1e6/up.Seconds(), down, float64(size)/1e6/down.Seconds())
		}
	}
	for _, name := range saved {
		if !equalFiles(t, path, filepath.Join(w.dir, name)) {
			t.Errorf("%s is another file", name)
		}
	}
	for name, s := range map[string]int{"a.example": w.a.Pid(), "b.example": w.b.Pid()} {
		t.Logf("%s: peak memory %s", name, highWater(s))
	}
	const most = 300 << 10 // KiB; the program itself takes 60 to 100
	for what, kib := range map[string]int64{"upload": max(peak, peakWhole), "download": max(peakRest, peakGet)} {
		if size >= 1<<30 && kib > most {
			t.Errorf("%s took %d KiB", what, kib)
		}
	}
}

func highWater(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "not known"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "not known"
}

func equalFiles(t *testing.T, a, b string) bool {
	t.Helper()
	var readers [2]*bufio.Reader
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		readers[i] = bufio.NewReaderSize(f, 1<<20)
	}
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errA := io.ReadFull(readers[0], x)
		m, errB := io.ReadFull(readers[1], y)
		if n != m || !bytes.Equal(x[:n], y[:m]) || (errA == nil) != (errB == nil) {
			return false
		}
		if errA != nil {
			return true
		}
	}
}
