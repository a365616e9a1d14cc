# Draws the ticks in the handlers and in the monitor, by reason.
load 'style.gp'
file = data.'/cycles.tsv'
rows = system("wc -l <'".file."'") + 0
set terminal svg size 900, 150 + 42 * rows font 'sans-serif,14' background rgb 'white'
set output output
set title 'Cycles by reason, all exits of a kind together' font ',18' tc rgb INK offset 0, -0.5
set logscale x
set format x "10^{%T}"
set xrange [100:1e8]
set yrange [-0.6:rows - 0.4]
set xlabel "ticks (log scale); an emulator's tick is an instruction" tc rgb INK
set ytics scale 0 noenhanced
set key at graph 0.99, 0.3 right reverse Left samplen 1.5
# A label stands behind its bar, or behind a mark where the label would be.
behind(cycles, monitor) = monitor > cycles && monitor < 5 * cycles ? monitor * 1.1 : cycles
plot file using (NaN):0:ytic(1) with points notitle, \
	for [i = 0:beds - 1] file using (100):(middle($0, i)):(100):(column(3 + 3 * i)):\
		(middle($0, i) - HALF):(middle($0, i) + HALF) \
		with boxxyerror fs solid noborder lc rgb colour(i) title bed(i).': in the handler', \
	for [i = 0:beds - 1] file using (column(4 + 3 * i) > 0 ? column(4 + 3 * i) : NaN):(middle($0, i)) \
		with points pt (i ? 9 : 13) ps 0.8 lc rgb (i ? VERMILION : INK) title bed(i).': in the monitor', \
	for [i = 0:beds - 1] file using (behind(column(3 + 3 * i), column(4 + 3 * i))):(middle($0, i)):\
		(sprintf('%.0f each', column(3 + 3 * i) / column(2 + 3 * i))) \
		with labels left offset 0.5, 0 font ',11' tc rgb INK notitle
