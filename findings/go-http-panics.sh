#!/usr/bin/env bash
# github.com/go-chi/metrics v0.1.1, github.com/slok/go-http-metrics v0.13.0, otelhttp v0.72.0, echoprometheus v0.50.1
#
# Expected: a handler that panics is counted as the 500 that its client is sent, wherever the recoverer stands. Here it is
#   outside of the measuring middleware, as net/http's own always is, and gin.Default()'s.
# Seen: chi's and slok's count the panic as a success with status 200; otelhttp and echoprometheus do not count the
#   request at all. None of the four says so; promhttp's documentation does for its own handlers.
# Hurts: people who watch a Go service: panics in 30 % of its requests read 0 % errors, with the first two as fast answers.
. "$(dirname "$0")/lib.bash"
install_go github.com/go-chi/chi/v5@v5.5.0 github.com/go-chi/metrics@v0.1.1 github.com/slok/go-http-metrics@v0.13.0 \
    go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp@v0.72.0 go.opentelemetry.io/otel/exporters/prometheus@v0.69.0 \
    github.com/labstack/echo/v4@v4.16.0 github.com/labstack/echo-contrib@v0.50.1 github.com/prometheus/client_golang@v1.25.0

cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/go-chi/chi/v5"
	chirecover "github.com/go-chi/chi/v5/middleware"
	chimetrics "github.com/go-chi/metrics"
	"github.com/labstack/echo-contrib/echoprometheus"
	"github.com/labstack/echo/v4"
	echorecover "github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	slok "github.com/slok/go-http-metrics/metrics/prometheus"
	"github.com/slok/go-http-metrics/middleware"
	"github.com/slok/go-http-metrics/middleware/std"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

func broken(http.ResponseWriter, *http.Request) { panic("broken") }

// ask sends one request and prints the status that was sent beside the one that was counted.
func ask(name, family string, handler http.Handler, counted prometheus.Gatherer) {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	defer server.Close()
	answer, err := http.Get(server.URL + "/")
	if err != nil {
		log.Fatal(err)
	}
	seen := "not counted"
	families, _ := counted.Gather()
	for _, each := range families {
		if each.GetName() != family {
			continue
		}
		for _, series := range each.Metric {
			for _, label := range series.Label {
				if strings.Contains(" code status http_response_status_code ", " "+label.GetName()+" ") {
					seen = "counted as " + label.GetValue()
				}
			}
		}
	}
	fmt.Printf("%s: sent %d, %s\n", name, answer.StatusCode, seen)
}

func main() {
	chirecover.DefaultLogger = nil
	os.Stderr, _ = os.Open(os.DevNull) // the recoverers' stacks

	router := chi.NewRouter()
	router.Use(chirecover.Recoverer, chimetrics.Collector(chimetrics.CollectorOpts{}))
	router.Get("/", broken)
	ask("go-chi/metrics", "http_requests_total", router, prometheus.DefaultGatherer)

	registry := prometheus.NewRegistry()
	measure := middleware.New(middleware.Config{Recorder: slok.NewRecorder(slok.Config{Registry: registry})})
	ask("slok/go-http-metrics", "http_request_duration_seconds",
		chirecover.Recoverer(std.Handler("/", measure, http.HandlerFunc(broken))), registry)

	registry = prometheus.NewRegistry()
	exporter, _ := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	provider := metric.NewMeterProvider(metric.WithReader(exporter))
	ask("otelhttp", "http_server_request_duration_seconds",
		chirecover.Recoverer(otelhttp.NewHandler(http.HandlerFunc(broken), "/", otelhttp.WithMeterProvider(provider))), registry)

	registry = prometheus.NewRegistry()
	server := echo.New()
	server.Logger.SetOutput(io.Discard)
	server.Use(echorecover.Recover(), echoprometheus.NewMiddlewareWithConfig(echoprometheus.MiddlewareConfig{Registerer: registry}))
	server.GET("/", func(echo.Context) error { panic("broken") })
	ask("echoprometheus", "echo_requests_total", server, registry)
}
GO
echo "Building, a few minutes on a slow machine." >&2
go build -trimpath -o panics . >"$work/go.log" 2>&1 || { tail -3 "$work/go.log" >&2; cannot_install "the program"; }
echo "expected: each is sent 500 and counted as 500"
as_stated "$(timeout 30 ./panics 2>/dev/null)" 'go-chi/metrics: sent 500, counted as 200
slok/go-http-metrics: sent 500, counted as 200
otelhttp: sent 500, not counted
echoprometheus: sent 500, not counted'
