# Draws the costs of single exits: how the exits of a kind spread over powers of two, with a panel for each bed.
load 'style.gp'
file = data.'/costs.tsv'
names = data.'/costs-kinds.tsv'
rows = system("wc -l <'".names."'") + 0
stats file using 4 name 'BUCKET' nooutput
WIDTH = 200.0 + 400 * beds
HEIGHT = 185.0 + 34 * rows
set terminal svg size WIDTH, HEIGHT font 'sans-serif,14' background rgb 'white'
set output output
set multiplot layout 1, beds margins screen 180 / WIDTH, 1 - 20 / WIDTH, 95 / HEIGHT, \
	1 - 80 / HEIGHT spacing screen 30 / WIDTH, 0 \
	title 'What each exit costs (percent of its kind)' font ',18'
unset colorbox
unset key
set border 1
set grid xtics lc rgb FAINT lt 1
set palette defined (0 '#deebf7', 0.15 '#9ecae1', 0.5 '#4292c6', 1 '#08306b')
set cbrange [0:1]
set xrange [BUCKET_min - 0.5:BUCKET_max + 0.5]
set yrange [-0.5:rows - 0.5]
set xtics ('64' 5.5, '256' 7.5, '1K' 9.5, '4K' 11.5, '16K' 13.5, '64K' 15.5, '256K' 17.5, '1M' 19.5, \
	'4M' 21.5, '16M' 23.5, '64M' 25.5)
set ytics scale 0 noenhanced
set for [n = 1:rows] ytics add (system(sprintf("sed -n %dp '%s'", n, names)) n - 1)
set xlabel "ticks in the handler, each column twice the one before" tc rgb INK
set label 1 "an emulator's tick is an instruction" at screen 0.5, 12 / HEIGHT center font ',12' tc rgb '#666666'
share(x) = x >= 0.995 ? '100' : x < 0.01 ? '<1' : sprintf('%.0f', 100 * x)
do for [i = 0:beds - 1] {
	set title bed(i) offset 0, -0.6
	if (i) {
		unset label 1
		set format y ''
		unset ytics
	}
	plot file using ($1 == i ? $4 : NaN):2:(0.48):(0.46):5 with boxxyerror fs solid noborder lc palette, \
		file using ($1 == i && $5 < 0.3 ? $4 : NaN):2:(share($5)) with labels font ',12' tc rgb INK, \
		file using ($1 == i && $5 >= 0.3 ? $4 : NaN):2:(share($5)) with labels font ',12' tc rgb 'white'
}
unset multiplot
