# Draws the exits over time while the guest boots, by kind, with a panel for each bed.
load 'style.gp'
HEIGHT = 140.0 + 240 * beds
set terminal svg size 960, HEIGHT font 'sans-serif,14' background rgb 'white'
set output output
set multiplot layout beds, 1 margins screen 0.08, 0.98, 75 / HEIGHT, 1 - 105 / HEIGHT \
	spacing screen 0, 65 / HEIGHT title 'Exits over time while the guest boots' font ',18'
colours = BLUE.' '.ORANGE.' '.GREEN.' '.VERMILION.' '.PINK.' '.GREY
n = words(kinds)
file(i) = sprintf('%s/boot%d.tsv', data, i)
phases(i) = sprintf('%s/phases%d.tsv', data, i)
most(i) = system(sprintf("awk '{ s = 0; for (i = 2; i <= NF; i++) s += $i; if (s > m) m = s } \
	END { print m }' '%s'", file(i))) + 0
stats file(0) using 1 name 'TIME' nooutput
width = (TIME_max - TIME_min) / (TIME_records - 1)
set xrange [0:TIME_max + width / 2]
set boxwidth width * 0.9
set style fill solid noborder
unset grid
set grid ytics lc rgb FAINT lt 1
set ylabel 'exits' offset 1, 0
set key noenhanced horizontal maxrows 1 font ',12' width -3 at screen 0.53, 1 - 52 / HEIGHT center samplen 1 reverse Left
top = (beds > 1 && most(1) > most(0) ? most(1) : most(0)) * 1.3
set yrange [0:top]
do for [i = 0:beds - 1] {
	set title bed(i) offset 0, -0.8
	if (i == beds - 1) {
		set xlabel "million ticks since the first exit; an emulator's tick is an instruction"
	}
	plot for [k = n:1:-1] file(i) using 1:(sum [j = 2:k + 1] column(j)) \
			with boxes lc rgb word(colours, k) title word(kinds, k), \
		phases(i) using 2:(0):(0):(top) with vectors nohead lc rgb INK dt 2 notitle, \
		phases(i) using 2:(top):1 with labels left offset 0.5, -0.8 font ',12' tc rgb INK notitle
	unset key
}
unset multiplot
