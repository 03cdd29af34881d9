package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages by their names, each with the layout and the shared parts.
type templates map[string]*template.Template

// parseTemplates reads all pages.
func (s *Server) parseTemplates() (templates, error) {
	shared, err := template.New("shared").Funcs(s.functions()).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := templates{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" {
			continue
		}
		page, err := shared.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, file)
		}
		if err != nil {
			return nil, err
		}
		all[name] = page
	}
	return all, nil
}

// render writes a whole page.
func (t templates) render(to io.Writer, page string, view any) error {
	return t.part(to, page, "layout", view)
}

// part writes one template of a page, with what is not seen in others' texts made visible.
func (t templates) part(to io.Writer, page, part string, view any) error {
	set, ok := t[page]
	if !ok {
		return fmt.Errorf("there is no template for the page %q", page)
	}
	var made bytes.Buffer
	if err := set.ExecuteTemplate(&made, part, view); err != nil {
		return err
	}
	_, err := to.Write(showUnseen(made.Bytes()))
	return err
}

// functions are what templates may call beside the methods of their views.
func (s *Server) functions() template.FuncMap {
	return template.FuncMap{
		"asset": s.assets.url,
		"rfc":   func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") },
		"clock": clock,
		"ago":   ago,
		"took":  took,
		"count": count,
		"lower": strings.ToLower,
		"plus":  func(a, b int) int { return a + b },
		"lasts": lasts,
		"keeps": keepsFor,
		"short": shorten,
		"text":  func(v any) string { return fmt.Sprint(v) },
	}
}

// nameLengthMax is how many characters of a name are shown where it names something among others; its own page shows all.
const nameLengthMax = 120

// shorten cuts a name that would push all else away.
func shorten(name string) string {
	n := 0
	for i := range name {
		if n == nameLengthMax {
			return name[:i] + "…"
		}
		n++
	}
	return name
}

// clock is a time as people read it; all of them are UTC.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// ago is how long before now something was, in one unit.
func ago(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + span(d)
	}
	if d := now.Sub(t); d >= time.Second {
		return span(d) + " ago"
	}
	return "just now"
}

// span is a time of seconds and more in one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// took is how long something took, to three digits.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return span(d)
	}
}

// count is a whole number with its thousands apart.
func count(n any) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
